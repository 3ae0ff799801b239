"""Every (type, version) ever written can be read: one golden file each, never edited once committed.

A golden file holds the bytes of an entry in hex. To add one for a new version, write it with this build and commit
it; a test that fails here means that a change would make entries in somebody's log unreadable.
"""

from pathlib import Path
from typing import Any

import pytest

from libs.common.contracts.body import BODY_VERSION, EventBody, Money, decode_body, encode_body
from libs.common.contracts.events import (
    EVENTS,
    Batch,
    Binding,
    ConsentDecision,
    Consents,
    Erasure,
    ErasureConfirmed,
    Event,
    Pseudonym,
    Reject,
    Restriction,
    Revealed,
    SegmentDefined,
    SegmentDeleted,
    SourceCreated,
    SourceDeleted,
    Tally,
)
from libs.common.contracts.registry import Registry
from libs.common.contracts.segments import SEGMENTS, Cleared, Crossed, Segmented, SegmentFacts
from libs.common.contracts.stitched import (
    STITCHED,
    Erased,
    Facts,
    Linked,
    Merged,
    Moved,
    Origin,
    Refused,
    Stitched,
    Tick,
)

GOLDEN = Path(__file__).parent / "golden"
ID = bytes(range(16))
OTHER = bytes(range(16, 32))
PSEUDONYMS = [Pseudonym("user_id", ID), Pseudonym("phone", OTHER)]
BODY = EventBody(
    type="track",
    event="Order Completed",
    channel="web",
    message_id="m-1",
    medium="cpc",
    campaign={"source": "douyin"},
    properties={"order_id": "o1"},
    traits={"plan": "gold"},
    personal={"name": "王小明"},
    context={"locale": "zh-CN"},
    money=Money(9950, "CNY"),
)
SOURCE_CREATED = SourceCreated("default", 1, "src1", "shop", "web", b"\x01" * 32)
ERASED = Erased("r1", 5, [ID], [OTHER], [ID])
FACTS = Facts(
    b"\x00\x01\x02",
    [Linked(ID, OTHER)],
    [Merged(ID, OTHER, ID)],
    [Moved(ID, OTHER, ID)],
    [Refused(ID, "user_id limit 1", PSEUDONYMS[:1], [OTHER])],
    [ERASED],
)
SEGMENTED = Segmented(
    Origin("log", 3, 3),
    10,
    [SegmentFacts(10, [Cleared("s1", "deleted")], [Crossed("s2", "erased", [ID])], [Crossed("s3", "event", [OTHER])])],
)

EXAMPLES: dict[str, tuple[Registry, Any]] = {
    "batch.1": (
        EVENTS,
        Batch(
            "default",
            1_700_000_000_000_000,
            "intl-v1",
            ["src1"],
            [Binding(ID, PSEUDONYMS)],
            [Event(ID, 0, 0, 2, 3, b"sealed")],
            [Reject(OTHER, 0, "no_identifier", "/batch/1", "no identifier", 4, "2026-11-21", b"sealed")],
            [Tally(0, 2, 1, 1, 0, 0)],
        ),
    ),
    "source_created.1": (EVENTS, SOURCE_CREATED),
    "source_deleted.1": (EVENTS, SourceDeleted("default", 2, "src1")),
    "erasure.2": (EVENTS, Erasure("default", 3, "r1", PSEUDONYMS, True)),
    "revealed.1": (EVENTS, Revealed("default", 4, "ana", ID, "service", ["name"])),
    "consents.1": (
        EVENTS,
        Consents("default", 4, "ana", "web_form", "2026-11", 3, [ConsentDecision(PSEUDONYMS[0], "marketing", True)]),
    ),
    "restriction.1": (EVENTS, Restriction("default", 4, "r1", PSEUDONYMS, False)),
    "erasure_confirmed.1": (EVENTS, ErasureConfirmed("default", 4, "r1", "profile", {"events": 3})),
    "segment_defined.1": (EVENTS, SegmentDefined("default", 4, "s1", "Gold", "marketing", b"{}", "ana")),
    "segment_deleted.1": (EVENTS, SegmentDeleted("default", 4, "s1", "ana")),
    "stitched.1": (STITCHED, Stitched(Origin("log", 1, 1), 9, [EVENTS.encode(SOURCE_CREATED)], [FACTS])),
    "tick.1": (STITCHED, Tick(Origin("log", 2, 1), 10)),
    "segmented.1": (SEGMENTS, SEGMENTED),
}
OLDER: dict[str, tuple[Registry, Any]] = {
    "erasure.1": (EVENTS, Erasure("default", 3, "r1", PSEUDONYMS, False)),
}


@pytest.mark.parametrize("name", sorted(EXAMPLES | OLDER))
def test_an_entry_written_by_an_earlier_build_reads_as_it_was_meant(name: str) -> None:
    registry, expected = (EXAMPLES | OLDER)[name]
    assert registry.decode(bytes.fromhex((GOLDEN / f"{name}.hex").read_text())) == expected


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_what_this_build_writes_is_the_golden_form(name: str) -> None:
    registry, value = EXAMPLES[name]
    assert registry.encode(value).hex() == (GOLDEN / f"{name}.hex").read_text().strip()


def test_every_version_of_every_type_has_a_golden_file() -> None:
    known = {**EVENTS.versions, **STITCHED.versions, **SEGMENTS.versions}
    wanted = {f"{name}.{version}" for name, newest in known.items() for version in range(1, newest + 1)}
    assert wanted == {path.stem for path in GOLDEN.glob("*.hex") if not path.stem.startswith(("body", "fragment"))}


def test_the_body_of_an_event_reads_as_it_was_meant() -> None:
    golden = bytes.fromhex((GOLDEN / f"body.{BODY_VERSION}.hex").read_text())
    assert decode_body(golden) == BODY
    assert encode_body(BODY) == golden
