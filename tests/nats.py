"""A real nats-server for tests: one a session, streams of fresh names a test."""

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import free_port

CONFIG = """
listen: 127.0.0.1:{port}
max_payload: 4MB
jetstream {{ store_dir: "{store}", sync_interval: always }}
"""


@pytest.fixture(scope="session")
def nats_url() -> Iterator[str]:
    """The url of the session's server, without users."""
    root = Path(tempfile.mkdtemp(prefix="wanliu-nats-"))
    port = free_port()
    (root / "nats.conf").write_text(CONFIG.format(port=port, store=root / "store"))
    binary = Path(sys.executable).parent / "nats-server"
    with (root / "log").open("w") as log:
        server = subprocess.Popen([str(binary), "-c", str(root / "nats.conf")], stdout=log, stderr=log)
        try:
            _wait_until_ready(port, server)
            yield f"nats://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(timeout=20)
            shutil.rmtree(root, ignore_errors=True)


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
