"""wanliu demo."""

from pathlib import Path
from typing import Annotated

import typer

from libs.devstack.commands.common import DEFAULT_DATA, Data, console, open_stack


def demo(
    data: Data = DEFAULT_DATA,
    cdnow: Annotated[
        Path | None, typer.Option(help="A purchase history: lines of customer, yyyymmdd, quantity, dollars.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Load the whole history, not its first few thousand.")] = False,
) -> None:
    """Send real input through the stack, tell what happened and check every word; exit 1 if one is not true."""
    from libs.devstack.demo import run

    run(open_stack(data), console, cdnow=cdnow, full=full)
