"""From STITCHED entries to rows of the history. Pure: no I/O. Nothing personal becomes a row.

A row knows the binding, never the customer: who that is is joined when somebody asks.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from libs.common import crypto
from libs.common.contracts.body import EventBody, decode_body
from libs.common.contracts.events import EVENTS, Batch
from libs.common.contracts.stitched import FRESH, Erased, Facts, Stitched, StitchedEntry
from libs.common.contracts.vault import ERASED, LIVE
from libs.common.crypto import CannotOpen
from libs.common.fragment import effective_time, revenue_sign
from libs.common.vault_client import HeldKey

MAX_TEXT = 256
NOBODY = bytes(16)


class InsightsFault(Exception):
    """The log, the vault and the history do not fit together. The consumer stops: going on would make it wrong."""


class Row(NamedTuple):
    """One event. `entry` is the position in STITCHED that brought it, (position, idx) its place in EVENTS.

    `sign` is 1 for an order, -1 for a refund; `minor` is its revenue, negative for refunds, as profiles count it.
    """

    partition: int
    entry: int
    position: int
    idx: int
    workspace: str
    binding: bytes
    at: int
    received_at: int
    source: str
    channel: str
    medium: str
    campaign_source: str
    campaign: str
    type: str
    event: str
    sign: int
    minor: int
    currency: str


class Link(NamedTuple):
    """From this place in STITCHED on, the binding belongs to `customer`, or is erased and belongs to nobody."""

    partition: int
    entry: int
    seq: int
    binding: bytes
    customer: bytes
    erased: int


class Ended(NamedTuple):
    """From this place in STITCHED on, all that was the loser's is the winner's; too many bindings to name."""

    entry: int
    seq: int
    winner: bytes
    loser: bytes


class Arrived(NamedTuple):
    """A fresh event, still sealed."""

    entry: int
    position: int
    idx: int
    batch: Batch


@dataclass
class Change:
    """What a run of entries changes; erasures apply last, for after one identity calls nothing of it fresh."""

    arrived: list[Arrived] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)
    erased: list[tuple[int, str, Erased]] = field(default_factory=list)
    """Position in STITCHED, workspace, fact."""

    @property
    def bindings(self) -> list[bytes]:
        """Of the events that arrived, sorted."""
        return sorted({each.batch.bindings[each.batch.events[each.idx].binding].id for each in self.arrived})

    @property
    def forgotten(self) -> frozenset[bytes]:
        """The bindings that are erased by the end of the change."""
        return frozenset(binding for _, _, erased in self.erased for binding in erased.bindings)


def gather(partition: int, entries: Iterable[tuple[int, StitchedEntry]]) -> Change:
    """The entries as one change."""
    change = Change()
    for entry, stitched in entries:
        if isinstance(stitched, Stitched):
            seq = 0
            for number, (data, facts) in enumerate(zip(stitched.entries, stitched.facts, strict=True)):
                origin = EVENTS.decode(data)
                if isinstance(origin, Batch):
                    _gather_events(change, entry, stitched.origin.first + number, origin, facts.outcomes)
                seq = _gather_links(change, partition, entry, seq, facts)
                change.erased += [(entry, origin.workspace, erased) for erased in facts.erased]
    return change


def _gather_events(change: Change, entry: int, position: int, batch: Batch, outcomes: bytes) -> None:
    if len(outcomes) != len(batch.events):
        raise InsightsFault(f"EVENTS {position} has {len(batch.events)} events, but {len(outcomes)} outcomes")
    change.arrived += [Arrived(entry, position, idx, batch) for idx, outcome in enumerate(outcomes) if outcome == FRESH]


def _gather_links(change: Change, partition: int, entry: int, seq: int, facts: Facts) -> int:
    links = [(each.binding, each.customer, 0) for each in facts.linked]
    seq = _add_links(change, partition, entry, seq, links)
    if not facts.moved:  # see Moved
        change.ended += [Ended(entry, seq + n, each.winner, each.loser) for n, each in enumerate(facts.merged)]
        seq += len(facts.merged)
    moved = [(each.binding, each.customer, 0) for each in facts.moved]
    gone = [(binding, NOBODY, 1) for erased in facts.erased for binding in erased.bindings]
    return _add_links(change, partition, entry, seq, [*moved, *gone])


def _add_links(change: Change, partition: int, entry: int, seq: int, links: Iterable[tuple[bytes, bytes, int]]) -> int:
    for binding, customer, erased in links:
        change.links.append(Link(partition, entry, seq, binding, customer, erased))
        seq += 1
    return seq


def follow_ended(change: Change, partition: int, ended: Ended, stored: Iterable[bytes]) -> None:
    """Links what is the loser's by then: of `stored`, its bindings before the change, and of the change's own."""
    place = (ended.entry, ended.seq)
    owners = dict.fromkeys(stored, ended.loser)
    owners |= {link.binding: link.customer for link in change.links if (link.entry, link.seq) < place}
    lost = sorted(binding for binding, customer in owners.items() if customer == ended.loser)
    change.links += [Link(partition, *place, binding, ended.winner, 0) for binding in lost]
    change.links.sort(key=lambda link: (link.entry, link.seq, link.binding))


class Opened(NamedTuple):
    """The rows to store, and what was erased before it could be: (workspace, source) of each."""

    rows: list[Row]
    erased: list[tuple[str, str]]


def open_rows(partition: int, change: Change, keys: Mapping[bytes, HeldKey]) -> Opened:
    """Opens the bodies. Raises InsightsFault for a binding without key or erasure, and for damaged bodies."""
    opened, forgotten = Opened([], []), change.forgotten
    for arrived in change.arrived:
        batch, event = arrived.batch, arrived.batch.events[arrived.idx]
        binding = batch.bindings[event.binding].id
        key, source = keys[binding], batch.sources[event.source]
        if key.state == ERASED or binding in forgotten:
            opened.erased.append((batch.workspace, source))
        elif key.state == LIVE:
            opened.rows.append(_row(partition, arrived, binding, source, _open(arrived, binding, key)))
        else:
            raise InsightsFault(
                f"the vault has neither a key nor an erasure of the binding of EVENTS {arrived.position}/"
                f"{arrived.idx}: it may have been restored from an old backup"
            )
    return opened


def _open(arrived: Arrived, binding: bytes, key: HeldKey) -> EventBody:
    batch, event = arrived.batch, arrived.batch.events[arrived.idx]
    try:
        associated = crypto.body_associated(batch.suite, batch.workspace, binding, event.id)
        return decode_body(key.sealer.open(event.body, associated))
    except (CannotOpen, ValueError) as error:
        # msgspec's decoding errors are ValueErrors; neither text may hold what the event says.
        raise InsightsFault(
            f"EVENTS {arrived.position}/{arrived.idx} cannot be read ({type(error).__name__}): the log or the vault "
            "was damaged"
        ) from None


def _row(partition: int, arrived: Arrived, binding: bytes, source: str, body: EventBody) -> Row:
    event, name = arrived.batch.events[arrived.idx], body.event or body.type
    sign = revenue_sign(name) if body.money else 0
    minor = 0 if body.money is None or not sign else body.money.minor if sign > 0 else -abs(body.money.minor)
    return Row(
        partition=partition,
        entry=arrived.entry,
        position=arrived.position,
        idx=arrived.idx,
        workspace=arrived.batch.workspace,
        binding=binding,
        at=effective_time(event.occurred_at, event.received_at),
        received_at=event.received_at,
        source=source,
        channel=_text(body.channel),
        medium=_text(body.medium),
        campaign_source=_text(body.campaign.get("source", "")),
        campaign=_text(body.campaign.get("name", "")),
        type=_text(body.type),
        event=_text(name),
        sign=sign,
        minor=minor,
        currency=body.money.currency if body.money and sign else "",
    )


def _text(value: str) -> str:
    return value[:MAX_TEXT]
