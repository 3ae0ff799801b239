"""wanliu up, wanliu down."""

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table

from libs.devstack.commands.common import DEFAULT_DATA, Data, console, messages
from libs.devstack.layout import Layout
from libs.devstack.table import DEFAULT_PORT_BASE, SERVICES

if TYPE_CHECKING:
    from libs.devstack.stack import Stack

PortBase = Annotated[
    int, typer.Option("--port-base", envvar="WANLIU_PORT_BASE", min=1024, max=65000, help="First of 100 ports.")
]


def up(
    data: Data = DEFAULT_DATA,
    port_base: PortBase = DEFAULT_PORT_BASE,
    partitions: Annotated[int, typer.Option(min=1, max=64, help="Partitions of the log.")] = 1,
    detach: Annotated[bool, typer.Option("--detach", help="Return when ready; `wanliu down` stops it.")] = False,
    demo: Annotated[bool, typer.Option("--demo", help="Then run the demo.")] = False,
) -> None:
    """Start engines and services, wait until they are ready, print their URLs."""
    from libs.devstack.credentials import Credentials
    from libs.devstack.stack import Stack

    layout = Layout.at(data)
    stack = Stack(layout, Credentials(layout), port_base, partitions, "default")
    if detach:
        _up_detached(stack)
        if demo:
            raise typer.Exit(os.spawnv(os.P_WAIT, sys.executable, _demo_command(stack)))  # noqa: S606 - ours
    else:
        asyncio.run(_up_here(stack, demo))


def _up_detached(stack: "Stack") -> None:
    from libs.devstack.daemon import start_detached

    with messages.status("starting") as status:
        start_detached(stack, lambda text: status.update(text))
    _print_urls(stack)


async def _up_here(stack: "Stack", demo: bool) -> None:
    from libs.devstack.supervisor import running

    with messages.status("starting") as status:
        async with running(stack, lambda text: status.update(text)) as end:
            status.stop()
            _print_urls(stack)
            if demo:
                await (await asyncio.create_subprocess_exec(*_demo_command(stack))).wait()
            console.print("Running until Ctrl-C (or `wanliu down`).")
            await end.wait()
            status.start()


def _demo_command(stack: "Stack") -> list[str]:
    return [sys.executable, "-m", "libs.devstack.cli", "demo", "--data", str(stack.layout.root)]


def _print_urls(stack: "Stack") -> None:
    table = Table("service", "URL", "interactive API", box=box.SIMPLE_HEAD)
    for service in SERVICES:
        url = stack.url(service.name)
        table.add_row(service.name, url, f"{url}/docs")
    console.print(table)


def down(data: Data = DEFAULT_DATA) -> None:
    """Stop engines and services; nothing is left running."""
    from libs.devstack.shutdown import shut_down

    with messages.status("stopping"):
        stopped = shut_down(Layout.at(data))
    console.print("stopped" if stopped else f"nothing was running in {Layout.at(data).root}")
