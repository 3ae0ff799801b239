"""wanliu privacy erase | status."""

from typing import Annotated

import typer

from libs.devstack.commands.common import DEFAULT_DATA, Data, open_stack, print_json

app = typer.Typer(no_args_is_help=True, help="People's requests.")


@app.command()
def erase(
    kind: Annotated[str, typer.Option(help="phone, email, user_id, ...")],
    value: Annotated[str, typer.Option(help="The identifier's value; it is sent in a body, never in a URL.")],
    data: Data = DEFAULT_DATA,
) -> None:
    """Forget the person behind an identifier: destroys their keys. Prints the request as JSON."""
    from libs.devstack.api import answer, client

    with client(open_stack(data), "privacy", ("privacy:write",)) as http:
        print_json(answer(http.post("/v1/erasures", json={"identifiers": [{"kind": kind, "value": value}]})))


@app.command()
def status(request: str, data: Data = DEFAULT_DATA) -> None:
    """How far an erasure is, as JSON."""
    from libs.devstack.api import answer, client

    with client(open_stack(data), "privacy", ("privacy:read",)) as http:
        print_json(answer(http.get(f"/v1/erasures/{request}")))
