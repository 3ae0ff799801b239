"""Requests recorded from unmodified SDKs, replayed byte for byte to the whole stack over real sockets."""

import http.client
from urllib.parse import urlsplit

import pytest

from tests.captures import Captured, load
from tests.e2e.accounted import account, balance, new_source
from tests.stack import RunningStack

pytestmark = pytest.mark.stack

FILES = {
    "py_segment_gzip": "WRITE_KEY_PY",
    "py_segment_429": "WRITE_KEY_PY",
    "node_segment_500": "WRITE_KEY_NODE",
    "browser_segment": "WK_SEG_BROWSER",
    "browser_segment_batching": "WK_SEG_BROWSER",
}
"""Each capture and the write key in it; only that is replaced."""


def send(stack: RunningStack, captured: Captured) -> tuple[int, bytes]:
    parts = urlsplit(stack.url("ingest"))
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    connection.request(captured.method, captured.path, captured.body, captured.headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


@pytest.mark.parametrize("file", FILES)
def test_a_recorded_session_is_accepted_event_by_event(stack: RunningStack, file: str) -> None:
    recorded = load(file)
    source = new_source(stack, f"capture {file}")
    for captured in recorded:
        status, content = send(stack, captured.with_write_key(FILES[file], source.key))
        assert status == 200, content
        assert not captured.events or content == b'{"success":true}'
    message_ids = [event["messageId"] for captured in recorded for event in captured.events]
    found = account(stack, source, message_ids)
    assert (found.missing, found.unknown, found.rejected) == ([], 0, 0)
    stack.catchup()
    assert balance(stack, source)["accepted"] == len(message_ids)
