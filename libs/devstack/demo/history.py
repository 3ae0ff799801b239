"""The act of the shop: a purchase history of many people in, and every one of them checked."""

import asyncio
from collections import Counter
from time import monotonic

from libs.devstack.demo import bulk, reading
from libs.devstack.demo.checks import must_equal
from libs.devstack.demo.shop import CDNOW, History
from libs.devstack.demo.stage import Stage

ORDERS = 6_000
"""As many orders as a demo may take; about so many are loaded unless all are asked for."""


def load_history(stage: Stage, whole: History, full: bool) -> str:
    """Loads a history as a store channel and checks orders and money of every customer in it.

    Returns the card of the one who came most often.
    """
    screen = stage.screen
    history = whole if full else whole.first(ORDERS)
    screen.act(f"4  A store's history: {whole.label}")
    if history.prefix == "CDNOW" and len(history.purchases) == CDNOW.orders:
        must_equal(history.totals, CDNOW, "the published total")
    if history is not whole:
        screen.say(f"The first {history.totals} of {whole.totals.orders:,} orders; `wanliu demo --full` loads all.")
    _send(stage, history)
    with screen.progress("customers checked") as bar:
        bar.show(0, history.totals.customers)
        asyncio.run(reading.check_history(stage.stack, history, bar.step))
    screen.say(f"Looked up each customer by card, and added up again: {history.totals}. Equal to the cent.")
    [(regular, _)] = Counter(one.customer for one in history.purchases).most_common(1)
    return history.card(regular)


def _send(stage: Stage, history: History) -> None:
    """Sends what was not sent before; what was half sent goes again and counts once."""
    name = f"Demo store {history.prefix}"
    door = stage.doors.open(name, "store")
    rest = History(history.prefix, history.label, history.purchases[stage.doors.orders(name) :])
    orders = len(rest.purchases)
    if not orders:
        stage.screen.say("An earlier run has loaded it; nothing to send.")
        return
    started = monotonic()
    with stage.screen.progress("orders acknowledged") as bar:
        bar.show(0, orders)
        asyncio.run(bulk.send(rest, door.url, door.write_key, bar.step))
    acknowledged = monotonic() - started
    stage.doors.note_orders(name, len(history.purchases))
    with stage.screen.progress("entries applied") as bar:
        stage.catch_up(bar.show)
    seconds = monotonic() - started
    stage.screen.say(
        f"{orders:,} orders acknowledged in {acknowledged:.1f} s ({orders / acknowledged:,.0f}/s, each batch on disk); "
        f"all in the profiles after {seconds:.1f} s ({orders / seconds:,.0f}/s end to end)."
    )
