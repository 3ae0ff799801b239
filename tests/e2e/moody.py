"""A door in bad moods: an HTTP proxy before the front door that refuses, cuts, or loses answers as a script says."""

import http.client
import socket
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

PASS, REFUSE_429, REFUSE_503, CUT, LOSE = "pass", "429", "503", "cut", "lose"
"""LOSE is the mean one: the event is stored, and the sender never learns it."""


class MoodyDoor(ThreadingHTTPServer):
    """Each POST gets the next mood; after the last one everything passes."""

    daemon_threads = True

    def __init__(self, target: str, moods: Sequence[str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        parts = urlsplit(target)
        self.target = (parts.hostname or "", parts.port or 80)
        self._moods, self._lock = iter(moods), threading.Lock()
        self.seen: Counter[str] = Counter()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def next_mood(self) -> str:
        """The mood for one request."""
        with self._lock:
            mood = next(self._moods, PASS)
            self.seen[mood] += 1
            return mood

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients hang up on us as well; that is part of the test."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: MoodyDoor

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        mood = self.server.next_mood()
        if mood in (REFUSE_429, REFUSE_503):
            self._answer(int(mood), b"{}", {"Retry-After": "1"})
        elif mood == CUT:
            self._hang_up()
        else:
            self._forward(body, lose=mood == LOSE)

    def _forward(self, body: bytes, *, lose: bool) -> None:
        connection = http.client.HTTPConnection(*self.server.target, timeout=30)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
        connection.request("POST", self.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if lose:
            self._hang_up()
        else:
            self._answer(answer.status, content, {"Content-Type": answer.headers["Content-Type"]})

    def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@contextmanager
def moody_door(target: str, moods: Sequence[str]) -> Iterator[MoodyDoor]:
    """A running proxy to `target`."""
    with MoodyDoor(target, moods) as door:
        thread = threading.Thread(target=door.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield door
        finally:
            door.shutdown()
            thread.join()
