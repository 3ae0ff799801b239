"""wanliu source create | list | delete, wanliu tail."""

import json
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from libs.devstack.commands.common import DEFAULT_DATA, AsJson, Data, console, open_stack, print_json

app = typer.Typer(no_args_is_help=True, help="Channel systems that push events.")
SCOPES = ("ingest:admin",)


@app.command()
def create(
    name: str,
    channel: Annotated[str, typer.Option(help="web, app, social, store, ...")],
    data: Data = DEFAULT_DATA,
) -> None:
    """Create a source; its write key is shown this once, as JSON."""
    print_json(_call(data, "POST", "/v1/sources", json={"name": name, "channel": channel}))


@app.command(name="list")
def list_(data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """List the sources."""
    found = _call(data, "GET", "/v1/sources")
    if as_json:
        return print_json(found)
    rows = found["sources"] if isinstance(found, dict) else found
    table = Table(*(rows[0] if rows else ("no source yet: `wanliu source create NAME --channel web`",)))
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    console.print(table)


@app.command()
def delete(source: str, data: Data = DEFAULT_DATA) -> None:
    """Make a source's write key invalid; what it sent stays."""
    _call(data, "DELETE", f"/v1/sources/{source}")
    console.print(f"deleted {source}")


def _call(data: Any, method: str, path: str, **arguments: Any) -> Any:
    from libs.devstack.api import answer, client

    with client(open_stack(data), "ingest", SCOPES) as http:
        return answer(http.request(method, path, **arguments))


def tail(source: str, data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Show what a source sends right now: accepted, refused and why; until Ctrl-C."""
    from libs.devstack.api import answer, client

    with (
        client(open_stack(data), "ingest", SCOPES) as http,
        http.stream("GET", f"/v1/sources/{source}/tail", timeout=None) as response,
    ):
        if not response.is_success:
            response.read()
            answer(response)
        for line in response.iter_lines():
            if line.strip():
                typer.echo(line) if as_json else console.print(_shown(json.loads(line)))


def _shown(event: dict[str, Any]) -> str:
    """One line for a person: the outcome in colour, then the rest as it came."""
    outcome = str(event.pop("outcome", event.pop("status", "")))
    colour = "green" if outcome == "accepted" else "red" if outcome == "rejected" else "yellow"
    rest = "  ".join(f"{name}={value}" for name, value in event.items() if value not in (None, "", []))
    return f"[{colour}]{escape(outcome)}[/]  {escape(rest)}"
