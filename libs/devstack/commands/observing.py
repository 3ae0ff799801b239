"""wanliu status, wanliu catchup."""

import asyncio
from typing import Annotated, Any

import msgspec
import typer
from rich import box
from rich.markup import escape
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
from libs.devstack.state import supervisor_pid


def status(data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Show URL, readiness and lag of every service and engine; exit 1 unless all are ready."""
    from libs.devstack import observe

    stack = open_stack(data)
    report = asyncio.run(observe.status(stack))
    if as_json:
        print_json(report)
    elif supervisor_pid(stack.layout) is None:
        messages.print(f"nothing runs in {stack.layout.root}: `wanliu up` starts it", soft_wrap=True)
    else:
        _show(report)
    if not report["ready"]:
        raise typer.Exit(1)


def _show(report: dict[str, Any]) -> None:
    console.print(_status_table(report))
    for name, process in report["processes"].items():
        if not process["ready"]:
            messages.print(f"[red]{name}[/] {escape(process['reason'])}")


def _status_table(report: dict[str, Any]) -> Table:
    ends = ", ".join(f"{name} ends at {end}" for name, end in report["streams"].items())
    table = Table("process", "URL", "pid", "restarts", "ready", "lag", caption=ends, box=box.SIMPLE_HEAD)
    for name, process in report["processes"].items():
        ready = "[green]yes[/]" if process["ready"] else "[red]no[/]"
        lag = str(process["lag"]) if process["consumers"] else ""
        table.add_row(name, process["url"], str(process["pid"] or ""), str(process["restarts"]), ready, lag)
    return table


def catchup(
    data: Data = DEFAULT_DATA,
    patience: Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds to wait at most.")] = 60.0,
) -> None:
    """Wait until every consumer has applied the log's present tail; print their positions as JSON."""
    from libs.devstack.catchup import catch_up

    stack = open_stack(data)
    with counting("entries applied") as show:
        consumers = asyncio.run(catch_up(stack, patience, show))
    print_json({"positions": msgspec.to_builtins(consumers)})
