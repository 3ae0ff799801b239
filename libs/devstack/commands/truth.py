"""wanliu reconcile, wanliu digest, wanliu replay."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from libs.devstack.commands.common import DEFAULT_DATA, AsJson, Data, console, messages, open_stack, print_json

if TYPE_CHECKING:
    from libs.devstack.accounts import Account

Service = Annotated[str, typer.Argument(help="ingest, identity or profile")]


def reconcile(data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Account for every event of every source; exit 1 if it does not balance."""
    from libs.devstack.accounts import reconcile as compute

    accounts = asyncio.run(compute(open_stack(data)))
    balanced = all(account.balances for account in accounts)
    if as_json:
        print_json({"balanced": balanced, "sources": [_as_dict(account) for account in accounts]})
    else:
        console.print(_table(accounts))
        console.print("[green]balanced[/]" if balanced else "[red]does not balance[/]")
    if not balanced:
        raise typer.Exit(1)


def _as_dict(account: "Account") -> dict[str, object]:
    return {
        "source": account.source,
        "name": account.name,
        "ingest": account.ingest,
        "identity": account.identity,
        "profile": account.profile,
        "differences": account.differences,
    }


def _table(accounts: "list[Account]") -> Table:
    table = Table("source", "received", "accepted", "refused", "fresh", "duplicate", "suppressed", "stored", "erased")
    table.add_column("in flight")
    table.add_column("off by")
    for account in accounts:
        ingest, identity, profile = account.ingest, account.identity, account.profile
        counts = [
            ingest["received"],
            ingest["accepted"],
            ingest["rejected"],
            identity["fresh"],
            ingest["duplicate"] + identity["duplicate"],
            ingest["suppressed"] + identity["suppressed"],
            profile["stored"],
            profile["erased"],
            identity["in_flight"] + profile["in_flight"],
        ]
        off = ", ".join(f"{name} {count}" for name, count in account.differences.items() if count)
        table.add_row(account.name or account.source, *map(str, counts), off or "-")
    return table


def digest(service: Service, data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Print the canonical hash of a service's decrypted state."""
    from libs.devstack.rebuilding import digest as compute

    with messages.status(f"reading {service}"):
        found = asyncio.run(compute(open_stack(data), service))
    print_json({"service": service, "digest": found}) if as_json else console.print(found)


def replay(service: Service, data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Rebuild a service's tables from the log beside the live ones, swap, print both digests; exit 1 if they differ."""
    from libs.devstack.rebuilding import replay as rebuild

    with messages.status(f"rebuilding {service} from the log"):
        found = asyncio.run(rebuild(open_stack(data), service))
    if as_json:
        print_json({"service": service, "before": found.before, "after": found.after})
    else:
        console.print(f"before {found.before}\nafter  {found.after}")
    if found.before != found.after:
        messages.print("[red]the digests differ[/]: the live state was not what the log says; now it is")
        raise typer.Exit(1)
