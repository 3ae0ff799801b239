"""Wherever an own identifier is put into an event, it does not come out in the body."""

import json
import string
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.common.contracts.body import decode_body
from services.ingest.doors.segment import Limits, parse_one
from services.ingest.incoming import Incoming
from services.ingest.normalise import normalise

IDENTIFIER = st.text(string.ascii_letters + string.digits + "-_.@+", min_size=8, max_size=30).filter(
    # `normalise` of the shared library decides what is no value at all; such a text points at nobody.
    lambda text: any(character.isalpha() for character in text) and len(set(text.lower())) > 4
)
FILLER = st.text("ab 汉&=/?%", max_size=12)


@st.composite
def trees(draw: st.DrawFn, identifier: str) -> Any:
    """JSON that holds the identifier in values, inside texts and in keys."""
    text = st.builds(lambda before, case, after: before + case + after, FILLER,
                     st.sampled_from([identifier, identifier.upper(), identifier.lower(), ""]), FILLER)  # fmt: skip
    leaves = text | st.integers(0, 9) | st.none()
    return draw(
        st.recursive(
            leaves,
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
            max_leaves=12,
        )
    )


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_an_own_identifier_comes_out_nowhere(data: st.DataObject) -> None:
    identifier = data.draw(IDENTIFIER)
    tree = trees(identifier)
    event = {
        "userId": identifier,
        "event": data.draw(st.sampled_from(["E", f"E {identifier}"])),
        "messageId": data.draw(st.sampled_from(["m", f"m-{identifier}"])),
        "properties": {"x": data.draw(tree), "url": f"https://x.cn/?u={identifier}"},
        "traits": {"y": data.draw(tree), "name": data.draw(tree)},
        "context": {"campaign": {"source": identifier}, "page": {"path": f"/{identifier}", "title": identifier}},
    }
    (item,) = parse_one(json.dumps(event).encode(), "track", None, Limits()).items
    assert isinstance(item, Incoming), item
    body = decode_body(normalise(item, "web").body)
    assert identifier.lower() not in repr(body).lower()
