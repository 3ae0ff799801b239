"""Digest and replay of insights: its engine has one owner, so the running process does it and is asked to."""

from libs.common.replay import Replayed
from libs.devstack import api
from libs.devstack.stack import Stack

ASKED = frozenset({"insights"})
PATIENCE_SECONDS = 3_600


def digest_by_asking(stack: Stack, service: str) -> str:
    """The canonical hash of the state, by the service's own word."""
    with api.client(stack, service, [f"{service}:read"]) as http:
        return str(api.answer(http.get("/v1/digest", timeout=PATIENCE_SECONDS))["digest"])


def replay_by_asking(stack: Stack, service: str) -> Replayed:
    """Rebuilds and swaps. Raises StackError when the service does not run or a replay runs already."""
    with api.client(stack, service, [f"{service}:write"]) as http:
        done = api.answer(http.post("/v1/replay", timeout=PATIENCE_SECONDS))
    return Replayed(done["before"], done["after"])
