"""The `wanliu` command."""

import sys

import typer
from rich.markup import escape

from libs.common.telemetry import configure_logging
from libs.devstack.commands import demonstration, lifecycle, observing, privacy, sources, tokens, truth
from libs.devstack.commands.common import messages
from libs.devstack.errors import StackError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Wanliu (万流): an event-sourced customer data platform, on your machine.",
)
for command in (
    *(lifecycle.up, lifecycle.down, observing.status, observing.catchup, sources.tail),
    *(truth.reconcile, truth.digest, truth.replay, demonstration.demo),
):
    app.command()(command)
for name, group in (("source", sources.app), ("token", tokens.app), ("privacy", privacy.app)):
    app.add_typer(group, name=name)


def main() -> None:
    """Runs a command; what the stack cannot do is one message, not a traceback."""
    configure_logging("ERROR")
    try:
        app()
    except StackError as error:
        messages.print(f"[red]wanliu:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
