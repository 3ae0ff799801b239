"""A real nats-server for tests: one a session, streams of fresh names a test."""

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.postgres import free_port

CONFIG = """
listen: 127.0.0.1:{port}
max_payload: 4MB
jetstream {{ store_dir: "{store}", sync_interval: always }}
"""


class NatsServer:
    """A server that a test may stop and start again; its streams stay."""

    def __init__(self, root: Path) -> None:
        self._root, self._port = root, free_port()
        self.url = f"nats://127.0.0.1:{self._port}"
        (root / "nats.conf").write_text(CONFIG.format(port=self._port, store=root / "store"))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it answers."""
        binary = Path(sys.executable).parent / "nats-server"
        with (self._root / "log").open("a") as log:
            command = [str(binary), "-c", str(self._root / "nats.conf")]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        _wait_until_ready(self._port, self._process)

    def stop(self) -> None:
        """Returns when it is gone."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=20)


@contextmanager
def running_nats() -> Iterator[NatsServer]:
    """A server of one's own."""
    root = Path(tempfile.mkdtemp(prefix="wanliu-nats-"))
    server = NatsServer(root)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
def nats_url() -> Iterator[str]:
    """The url of the session's server, without users."""
    with running_nats() as server:
        yield server.url


@pytest.fixture
def own_nats() -> Iterator[NatsServer]:
    """A server for one test."""
    with running_nats() as server:
        yield server


def _wait_until_ready(port: int, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as probe:
                if probe.recv(4) == b"INFO":
                    return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError("nats-server did not answer within ten seconds")
