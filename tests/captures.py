"""Requests recorded from unmodified SDKs, rebuilt byte for byte from what the capture keeps of them.

A capture keeps the decoded JSON and the length on the wire. Each SDK's serialiser is known, and the length proves
that the rebuilt bytes are the sent ones.
"""

import base64
import gzip
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

CAPTURES = Path(__file__).resolve().parents[2] / "shared" / "data" / "sdk_captures"


class Captured(NamedTuple):
    """One request as an SDK sent it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    decoded: Any
    answered: int

    def with_write_key(self, old: str, new: str) -> "Captured":
        """The same request with another write key, wherever the SDK put it."""
        headers = dict(self.headers)
        if "Authorization" in headers:
            headers["Authorization"] = "Basic " + base64.b64encode(f"{new}:".encode()).decode()
        gzipped = self.body.startswith(b"\x1f\x8b")
        plain = (gzip.decompress(self.body) if gzipped else self.body).replace(old.encode(), new.encode())
        body = gzip.compress(plain) if gzipped else plain
        return self._replace(path=self.path.replace(old, new), headers=headers, body=body)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events in it."""
        if not self.body:
            return []
        return list(self.decoded["batch"]) if "batch" in self.decoded else [self.decoded]


def load(name: str) -> list[Captured]:
    """The requests of a capture, in order. Skips the test when the captures are not there."""
    path = CAPTURES / f"{name}.json"
    if not path.exists():
        pytest.skip("the recorded SDK requests (shared/data) are not on this machine")
    return [_captured(entry) for entry in json.loads(path.read_text())]


def _captured(entry: dict[str, Any]) -> Captured:
    decoded = (entry["body"] or {}).get("json")
    return Captured(
        entry["method"],
        entry["path"],
        {name: value for name, value in entry["headers"].items() if name.lower() not in ("host", "content-length")},
        _body(entry, decoded) if decoded is not None else b"",
        decoded,
        entry["responded"],
    )


def _body(entry: dict[str, Any], decoded: Any) -> bytes:
    python, javascript = json.dumps(decoded), json.dumps(decoded, separators=(",", ":"), ensure_ascii=False)
    if entry["body"].get("gunzipped"):
        # Compressors differ in their header bytes; what is inside is what was sent.
        return gzip.compress(python.encode())
    for text in (python, javascript):
        if len(text.encode()) == entry["wire_bytes"]:
            return text.encode()
    raise AssertionError(f"cannot rebuild the {entry['wire_bytes']} bytes of request {entry['n']}")
