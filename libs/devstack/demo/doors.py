"""The demo's sources, made once per data directory: like every channel system the demo keeps its write keys.

An event counts once per source. So the demo can be run again, or cut off and run again, and doubles nothing.
"""

import msgspec

from libs.devstack.api import answer, client
from libs.devstack.credentials import write_private
from libs.devstack.demo.channels import Door
from libs.devstack.stack import Stack


class Kept(msgspec.Struct):
    """A source's id and write key, and how many orders of its history were sent in full."""

    source: str
    write_key: str
    orders: int = 0


class Doors:
    """Front doors by source name. The file is in the data directory, readable by its owner only."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._path = stack.layout.secrets / "demo.json"
        self._kept = msgspec.json.decode(self._path.read_bytes(), type=dict[str, Kept]) if self._path.exists() else {}
        self._alive = self._living()

    def open(self, name: str, channel: str) -> Door:
        """The door of the source of that name; the source is made when there is none (any more)."""
        kept = self._kept.get(name)
        if kept is None or kept.source not in self._alive:
            with client(self._stack, "ingest", ("ingest:admin",)) as http:
                made = answer(http.post("/v1/sources", json={"name": name, "channel": channel}))
            kept = self._kept[name] = Kept(made["source"], made["write_key"])
            self._alive.add(kept.source)
            self._save()
        return Door(self._stack.url("ingest"), kept.write_key)

    def source(self, name: str) -> str:
        """The id of a source that was opened."""
        return self._kept[name].source

    def orders(self, name: str) -> int:
        """How many orders of its history a source is known to have sent, from the first on."""
        return self._kept[name].orders

    def note_orders(self, name: str, orders: int) -> None:
        """Keeps in mind that so many orders were sent and accepted."""
        self._kept[name].orders = orders
        self._save()

    def _living(self) -> set[str]:
        with client(self._stack, "ingest", ("ingest:admin",)) as http:
            sources = answer(http.get("/v1/sources"))["sources"]
        return {source["source"] for source in sources if source["deleted_at"] is None}

    def _save(self) -> None:
        write_private(self._path, msgspec.json.format(msgspec.json.encode(self._kept), indent=1))
