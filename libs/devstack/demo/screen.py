"""How the demo looks on a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

CURRENCY_SIGNS = {"CNY": "¥", "USD": "$"}


class RateColumn(ProgressColumn):
    """Steps a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed or 0
        return Text(f"{speed:,.0f}/s")


class Screen:
    """Headings, sentences, tables, progress."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def act(self, title: str) -> None:
        """A heading."""
        self.console.print(f"\n[bold cyan]{escape(title)}[/]")

    def say(self, text: str) -> None:
        """A sentence; may hold markup."""
        self.console.print(text, highlight=False)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> None:
        """A small table; `right` are the columns of numbers."""
        table = Table(box=None, padding=(0, 1), pad_edge=True, header_style="dim")
        for number, name in enumerate(columns):
            table.add_column(name, justify="right" if number in right else "left", overflow="fold")
        for row in rows:
            table.add_row(*(escape(cell) for cell in row))
        self.console.print(table, highlight=False)

    @contextmanager
    def progress(self, what: str) -> Iterator["Bar"]:
        """A bar with its rate; gone when the block ends, and not there at all where nobody watches."""
        columns = (TextColumn(f"  {what}"), BarColumn(), MofNCompleteColumn(), RateColumn(), TimeRemainingColumn())
        shown = self.console.is_terminal
        with Progress(*columns, console=self.console, transient=True, disable=not shown) as progress:
            yield Bar(progress, progress.add_task(what, total=None))


class Bar:
    """One progress bar."""

    def __init__(self, progress: Progress, task: Any) -> None:
        self._progress, self._task = progress, task

    def step(self, count: int = 1) -> None:
        """So many more are done."""
        self._progress.advance(self._task, count)

    def show(self, done: int, total: int) -> None:
        """So many of so many are done."""
        self._progress.update(self._task, completed=done, total=total)


def money(amounts: Mapping[str, int]) -> str:
    """Minor units of currencies with two decimals, as people write them."""
    return ", ".join(f"{CURRENCY_SIGNS.get(code, code + ' ')}{minor / 100:,.2f}" for code, minor in amounts.items())


def day(moment: str) -> str:
    """The date and minute of an RFC 3339 time."""
    return moment[:16].replace("T", " ")


def short(id: str) -> str:
    """Enough of a customer id to tell it from others in a story."""
    return f"{id[:12]}…{id[-4:]}" if len(id) > 20 else id
