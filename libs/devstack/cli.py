"""The `wanliu` command."""

import sys

import typer
from rich.markup import escape

from libs.devstack.commands import lifecycle
from libs.devstack.commands.common import messages
from libs.devstack.errors import StackError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Wanliu (万流): an event-sourced customer data platform, on your machine.",
)
app.command()(lifecycle.up)
app.command()(lifecycle.down)


def main() -> None:
    """Runs a command; what the stack cannot do is one message, not a traceback."""
    try:
        app()
    except StackError as error:
        messages.print(f"[red]wanliu:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
