"""wanliu privacy erase | status | import-consents | request | confirm | cancel | receipt | verify."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from libs.devstack.commands.common import DEFAULT_DATA, Data, open_stack, print_json
from libs.devstack.errors import StackError

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


@app.command()
def import_consents(file: Path, data: Data = DEFAULT_DATA) -> None:
    """Import existing consents from CSV: kind,value,purpose,decision,decided_at,method,notice. UTF-8 or GB18030.

    Prints what was recorded and which rows were not, as JSON; exit 1 if any was not.
    """
    from libs.devstack.api import answer, client

    if not file.is_file():
        raise StackError(f"there is no file {file}")
    with client(open_stack(data), "privacy", ("privacy:write",)) as http, file.open("rb") as content:
        headers = {"Content-Type": "text/csv"}
        done = answer(http.post("/v1/consents:import", content=content, headers=headers, timeout=None))
    print_json(done)
    raise typer.Exit(1 if done["failed"] else 0)


@app.command()
def request(
    kind: Annotated[str, typer.Option(help="phone, email, user_id, ...")],
    value: Annotated[str, typer.Option(help="The identifier's value; it is sent in a body, never in a URL.")],
    suppress: Annotated[bool, typer.Option(help="Never process these identifiers again.")] = False,
    data: Data = DEFAULT_DATA,
) -> None:
    """Ask for a deletion: shows what it would take. Nothing happens before `wanliu privacy confirm`."""
    identifiers = [{"kind": kind, "value": value}]
    body = {"type": "deletion", "identifiers": identifiers, "suppress": suppress}
    print_json(_post(data, "/v1/requests", body))


@app.command()
def confirm(
    request: str,
    delay: Annotated[int | None, typer.Option(help="Seconds until the erasure; the policy's without.")] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Confirm a deletion: the person is restricted at once and erased after the delay."""
    print_json(_post(data, f"/v1/requests/{request}/confirm", {"delay_seconds": delay}))


@app.command()
def cancel(request: str, data: Data = DEFAULT_DATA) -> None:
    """Cancel a deletion that is not yet due: the restriction is lifted."""
    print_json(_post(data, f"/v1/requests/{request}/cancel", {}))


@app.command()
def receipt(request: str, data: Data = DEFAULT_DATA) -> None:
    """Print the signed receipt of a completed deletion."""
    from libs.devstack.api import answer, client

    with client(open_stack(data), "privacy", ("privacy:read",)) as http:
        print_json(answer(http.get(f"/v1/requests/{request}/receipt")))


@app.command()
def verify(
    file: Path,
    key: Annotated[Path | None, typer.Option(help="The public key in PEM; the stack's own without.")] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Verify a receipt offline. Prints what it states; exit 1 when it is not genuine."""
    from services.privacy.rights.receipts import ReceiptKey
    from services.privacy.rights.receipts import verify as verified

    vault = open_stack(data).layout.vault if key is None else None
    if not file.is_file() or (key is not None and not key.is_file()):
        raise StackError(f"there is no file {key if file.is_file() else file}")
    try:
        public = key.read_text() if key is not None else ReceiptKey(vault or Path()).public
        print_json(verified(json.loads(file.read_text()), public))
    except (ValueError, TypeError) as error:
        raise StackError(f"{file} is not genuine: {error}") from None


def _post(data: Path, path: str, body: dict[str, Any]) -> Any:
    from libs.devstack.api import answer, client

    with client(open_stack(data), "privacy", ("privacy:write",)) as http:
        return answer(http.post(path, json=body))
