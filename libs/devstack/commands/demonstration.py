"""wanliu demo."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from libs.devstack.commands.common import DEFAULT_DATA, Data, console, messages, open_stack
from libs.devstack.commands.lifecycle import PortBase
from libs.devstack.table import DEFAULT_PORT_BASE

if TYPE_CHECKING:
    from libs.devstack.stack import Stack


def demo(
    data: Data = DEFAULT_DATA,
    own_stack: Annotated[
        bool, typer.Option("--own-stack", help="Start a stack for the demo alone, stop and remove it after.")
    ] = False,
    port_base: PortBase = DEFAULT_PORT_BASE,
    cdnow: Annotated[Path | None, typer.Option(help="A purchase history: CDNOW_master.txt or _sample.txt.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Load the whole history.")] = False,
) -> None:
    """Play the demo: one person on four channels, a shop's history, a farewell; every claim is checked."""
    from libs.devstack.demo import run

    if not own_stack:
        return run(open_stack(data), console, cdnow=cdnow, full=full)
    with _own_stack(port_base) as stack:
        run(stack, console, cdnow=cdnow, full=full, stays=False)


@contextmanager
def _own_stack(port_base: int) -> Iterator["Stack"]:
    """A detached stack in a temporary directory, gone afterwards whatever happens."""
    from libs.devstack.credentials import Credentials
    from libs.devstack.daemon import start_detached
    from libs.devstack.layout import Layout
    from libs.devstack.shutdown import shut_down
    from libs.devstack.stack import Stack

    with tempfile.TemporaryDirectory(prefix="wanliu-demo-") as directory:
        layout = Layout.at(Path(directory))
        try:
            with messages.status("starting a stack for the demo") as status:
                start_detached(
                    Stack(layout, Credentials(layout), port_base, 1, "default"), lambda text: status.update(text)
                )
            yield Stack.open(layout)
        finally:
            with messages.status("stopping"):
                shut_down(layout)
