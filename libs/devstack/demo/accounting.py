"""The act of the accountant: what became of every event that was sent."""

import asyncio

from libs.devstack.accounts import reconcile
from libs.devstack.demo.checks import must
from libs.devstack.demo.stage import Stage


def account_for_everything(stage: Stage) -> None:
    """Shows each source's account and checks that all balance with nothing in flight."""
    stage.screen.act("9  Nothing disappeared silently")
    accounts = asyncio.run(reconcile(stage.stack))
    rows = []
    for one in accounts:
        must(one.balances, f"the account of {one.name} balances")
        kept = one.profile
        both = [one.ingest[name] + one.identity[name] for name in ("duplicate", "suppressed")]
        counts = (one.ingest["received"], kept["stored"], kept["erased"], *both, one.ingest["rejected"])
        rows.append((one.name, *(f"{count:,}" for count in counts)))
    columns = ("source", "received", "stored", "erased", "duplicate", "suppressed", "refused")
    stage.screen.table(columns, rows, right=(1, 2, 3, 4, 5, 6))
    stage.screen.say("Received is the sum of the others, for every source; `wanliu reconcile` says the same.")
