"""wanliu digest, wanliu replay, wanliu reconcile: is what we keep what the log says?"""

import asyncio
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from libs.devstack.commands.common import (
    DEFAULT_DATA,
    AsJson,
    Data,
    console,
    counting,
    messages,
    open_stack,
    print_json,
)

Service = Annotated[str, typer.Argument(help="such as profile or insights")]


def digest(service: Service, data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Print the canonical hash of a service's (decrypted) state."""
    from libs.devstack.rebuilding import digest_of

    with messages.status(f"hashing the state of {service}"):
        found = asyncio.run(digest_of(open_stack(data), service))
    print_json({"service": service, "digest": found}) if as_json else typer.echo(found)


def replay(service: Service, data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Rebuild a service from the log beside its live state, then swap; exit 1 if the state was another one."""
    from libs.devstack.rebuilding import replay_of

    with counting(f"rebuilding {service}: entries folded") as show:
        done = asyncio.run(replay_of(open_stack(data), service, show))
    if as_json:
        print_json({"service": service, "before": done.before, "after": done.after})
    else:
        typer.echo(f"before {done.before}\nafter  {done.after}")
    if done.before != done.after:
        messages.print(f"[red]{service} kept something else than the log says; it is replaced by what the log says[/]")
        raise typer.Exit(1)


def reconcile(data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Account for every event that every source ever sent; exit 1 if anything is missing or too much."""
    from libs.devstack.reconciling import Account, reconcile_all

    accounts = asyncio.run(reconcile_all(open_stack(data)))
    if as_json:
        print_json({"balanced": all(a.balanced for a in accounts), "sources": [a.as_json() for a in accounts]})
    else:
        table = Table(box=box.SIMPLE_HEAD)
        for heading in Account.HEADINGS:
            table.add_column(heading, justify="left" if heading == "source" else "right")
        for account in accounts:
            table.add_row(*account.as_row())
        console.print(table)
    for account in accounts:
        for fault in account.faults:
            messages.print(f"[red]{account.source}: {fault}[/]")
    if not all(account.balanced for account in accounts):
        raise typer.Exit(1)
