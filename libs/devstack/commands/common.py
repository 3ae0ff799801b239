"""What all commands share: the --data option, the console, machine-readable output."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from libs.devstack.stack import Stack

Data = Annotated[
    Path,
    typer.Option(
        "--data", envvar="WANLIU_DATA", help="The stack's data directory.", show_default=".data", readable=False
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
DEFAULT_DATA = Path(".data")

console = Console()
messages = Console(stderr=True)


def open_stack(data: Path) -> "Stack":
    """The stack in a directory. Raises StackError when there never was one."""
    from libs.devstack.layout import Layout
    from libs.devstack.stack import Stack

    return Stack.open(Layout.at(data))


def print_json(value: Any) -> None:
    """One JSON document on stdout, whatever the terminal's width."""
    typer.echo(json.dumps(value, indent=1, ensure_ascii=False))


@contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr, gone afterwards; call the result with (done, total)."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=messages, transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
