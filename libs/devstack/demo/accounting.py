"""The act of the accountant: what became of every event that was sent."""

import asyncio

from libs.devstack.demo.checks import must
from libs.devstack.demo.stage import Stage
from libs.devstack.reconciling import reconcile_all

COLUMNS = ("received", "stored", "erased", "duplicate", "suppressed", "rejected")


def account_for_everything(stage: Stage) -> None:
    """Shows each source's account and checks that all balance with nothing in flight."""
    stage.screen.act("9  Nothing disappeared silently")
    rows = []
    for one in asyncio.run(reconcile_all(stage.stack)):
        must(one.balanced and not one.summary["in_flight"], f"the account of {one.name} balances, nothing in flight")
        rows.append((one.name, *(f"{one.summary[column]:,}" for column in COLUMNS)))
    stage.screen.table(("source", *COLUMNS), rows, right=tuple(range(1, len(COLUMNS) + 1)))
    stage.screen.say("Received is the sum of the others, for every source; `wanliu reconcile` says the same.")
