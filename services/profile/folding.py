"""Fresh events into the fragments of their bindings, under the bindings' keys. No I/O."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from libs.common.contracts.vault import ERASED, LIVE
from libs.common.crypto import CannotOpen
from libs.common.fragment import add_event, empty
from libs.common.vault_client import HeldKey
from services.profile.gathering import Arrived
from services.profile.sealing import Sealed


class ProjectionFault(Exception):
    """The log and what we know do not fit together. The consumer stops: going on would make profiles wrong."""


class Known(NamedTuple):
    """What is stored of a binding; `fragment` is sealed, None before the first event."""

    workspace: str
    suite: str
    fragment: bytes | None


@dataclass
class Folded:
    """Sealed fragments by binding, timeline rows, and counts by (workspace, source)."""

    fragments: dict[bytes, bytes] = field(default_factory=dict)
    rows: list[Arrived] = field(default_factory=list)
    stored: Counter[tuple[str, str]] = field(default_factory=Counter)
    erased: Counter[tuple[str, str]] = field(default_factory=Counter)


def fold(
    events: Mapping[bytes, Sequence[Arrived]], known: Mapping[bytes, Known], keys: Mapping[bytes, HeldKey]
) -> Folded:
    """Folds each binding's events, in order of the bindings. Events of erased bindings are only counted.

    Raises ProjectionFault for a binding that identity never linked, or of which the vault has neither a key
    nor an erasure, and for an event that does not open or is no event.
    """
    folded = Folded()
    for binding in sorted(events):
        if binding not in known:
            place = events[binding][0]
            raise ProjectionFault(f"EVENTS {place.position}/{place.idx} is of a binding that identity never linked")
        _fold_binding(folded, binding, events[binding], known[binding], keys[binding])
    return folded


def _fold_binding(folded: Folded, binding: bytes, arrived: Sequence[Arrived], known: Known, key: HeldKey) -> None:
    if key.state == ERASED:
        _book(folded.erased, known.workspace, arrived)
        return
    if key.state != LIVE:
        place = arrived[0]
        raise ProjectionFault(
            f"the vault has neither a key nor an erasure of the binding of EVENTS {place.position}/{place.idx}: "
            "it may have been restored from an old backup"
        )
    sealed = Sealed(key.sealer, known.suite, known.workspace, binding)
    folded.fragments[binding] = _grown(sealed, known, arrived)
    folded.rows += sorted(arrived)
    _book(folded.stored, known.workspace, arrived)


def _book(counts: Counter[tuple[str, str]], workspace: str, arrived: Sequence[Arrived]) -> None:
    for each in arrived:
        counts[workspace, each.source] += 1


def _grown(sealed: Sealed, known: Known, arrived: Sequence[Arrived]) -> bytes:
    place = arrived[0]
    try:
        fragment = empty() if known.fragment is None else sealed.fragment(known.fragment)
        for place in arrived:
            add_event(fragment, sealed.body(place.event_id, place.sealed), place.at, place.position, place.idx)
    except (CannotOpen, ValueError) as error:
        # msgspec's decoding errors are ValueErrors; neither text may hold what the event says.
        raise ProjectionFault(
            f"EVENTS {place.position}/{place.idx}, or the fragment it belongs to, cannot be read "
            f"({type(error).__name__}): the log, the vault or the table was damaged"
        ) from None
    return sealed.seal_fragment(fragment)
