"""wanliu token issue."""

from typing import Annotated

import typer

from libs.devstack.commands.common import DEFAULT_DATA, Data, open_stack, print_json

app = typer.Typer(no_args_is_help=True, help="Access tokens for readers and administrators.")


@app.callback()
def group() -> None:
    """Keeps `issue` a subcommand although it is the only one."""


@app.command()
def issue(
    scope: Annotated[list[str], typer.Option(help="What the holder may do, such as profiles:read; repeatable.")],
    purpose: Annotated[list[str] | None, typer.Option(help="What for, such as service; repeatable.")] = None,
    ttl: Annotated[int, typer.Option(min=1, max=30 * 86_400, help="Lifetime in seconds.")] = 3600,
    subject: Annotated[str, typer.Option(help="Who the holder is; shown in audit entries.")] = "cli",
    data: Data = DEFAULT_DATA,
) -> None:
    """Print a signed token as JSON."""
    print_json({"token": open_stack(data).token(scope, purpose or [], subject=subject, ttl=ttl)})
