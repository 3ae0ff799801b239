"""The stack comes up, tells why when it cannot, survives what kills parts of it, and leaves nothing running."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from libs.devstack import api
from libs.devstack.child import launch_command
from libs.devstack.layout import Layout
from libs.devstack.privileges import CAP_DAC_READ_SEARCH, Identity
from libs.devstack.state import survivors
from libs.devstack.table import processes
from tests.stack import WANLIU, RunningStack, StackFactory, free_port_base, stop_stack, wanliu

pytestmark = [pytest.mark.stack, pytest.mark.slow]
EVERYTHING = {"nats", "postgres", *(process.name for process in processes())}
PATIENCE = 60


def until(true: Callable[[], bool], what: str) -> None:
    """Polls a condition of the outside world that nothing can be awaited for."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, what


def up(stack: RunningStack) -> "subprocess.CompletedProcess[str]":
    return wanliu("up", "--detach", "--data", str(stack.layout.root), "--port-base", str(stack.port_base))


def status(stack: RunningStack) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stack.wanliu("status", "--json").stdout)
    return found


def has_come_back(stack: RunningStack, name: str, killed: int) -> bool:
    return stack.pids()[name] != killed


def test_down_leaves_no_process_and_the_next_up_has_everything_again(new_stack: StackFactory) -> None:
    stack = new_stack()
    key = stack.create_source("kept")
    before = stack.pids()
    assert set(before) == EVERYTHING
    assert stack.wanliu("down").returncode == 0
    assert survivors(stack.layout) == []
    assert [pid for pid in before.values() if psutil.pid_exists(pid)] == []

    started = time.monotonic()
    again = up(stack)
    print(f"\nsecond `wanliu up`: {time.monotonic() - started:.1f} s")
    assert again.returncode == 0, again.stderr
    sent = httpx.post(f"{stack.url('ingest')}/v1/track", auth=(key, ""), json={"event": "x", "userId": "u"})
    assert sent.status_code == 200
    stack.catchup()


def test_two_stacks_run_side_by_side_and_know_only_their_own(new_stack: StackFactory) -> None:
    one, two = new_stack(), new_stack()
    one.create_source("of one")
    with api.client(two, "ingest", ["ingest:admin"]) as http:
        assert api.answer(http.get("/v1/sources"))["sources"] == []
    assert not set(one.pids().values()) & set(two.pids().values())
    with api.client(one, "ingest", ["ingest:admin"]) as http:
        stranger = {"Authorization": f"Bearer {two.token(['ingest:admin'])}"}
        assert http.get("/v1/sources", headers=stranger).status_code == 401
    assert one.wanliu("down").returncode == 0
    assert status(two)["ready"]


def test_a_port_in_use_is_one_message_with_the_port_its_user_and_the_option(tmp_path: Path) -> None:
    import socket

    base = free_port_base()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", base + 3))
        taken.listen()
        refused = wanliu("up", "--detach", "--data", str(tmp_path / "data"), "--port-base", str(base))
    assert refused.returncode == 1
    assert f"port {base + 3} (profile, held by " in refused.stderr
    assert f"pid {os.getpid()}" in refused.stderr
    assert "--port-base" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert survivors(Layout.at(tmp_path / "data")) == []


def test_a_second_up_in_the_same_directory_is_refused_and_harms_nothing(stack: RunningStack) -> None:
    refused = up(stack)
    assert (refused.returncode, "already runs" in refused.stderr) == (1, True)
    assert status(stack)["ready"]


def test_a_service_that_cannot_start_says_why_and_nothing_stays(new_stack: StackFactory) -> None:
    stack = new_stack()
    stack.wanliu("down")
    keys = stack.layout.vault / "default"
    keys.rename(keys.with_name("moved"))
    keys.write_text("a file where the vault wants a directory")
    failed = up(stack)
    assert failed.returncode == 1
    assert re.search(r"privacy(-worker)? ended with exit code \d+ while starting", failed.stderr)
    assert "privacy" in failed.stderr.partition("ends with:")[0]
    assert len(failed.stderr.partition("ends with:")[2].strip().splitlines()) > 1
    assert survivors(stack.layout) == []


def test_a_killed_supervisor_takes_its_children_along_and_up_works_again(new_stack: StackFactory) -> None:
    stack = new_stack()
    state = json.loads(stack.layout.state.read_text())
    frozen = stack.kill("nats", signal.SIGSTOP)  # a frozen child cannot hear that its parent died
    os.kill(state["supervisor"], signal.SIGKILL)
    until(lambda: [each.pid for each in survivors(stack.layout)] == [frozen], "children outlive their supervisor")
    again = up(stack)
    assert again.returncode == 0, again.stderr
    assert not psutil.pid_exists(frozen)
    assert status(stack)["ready"]


def test_down_after_a_killed_supervisor_ends_what_it_left(new_stack: StackFactory) -> None:
    stack = new_stack()
    frozen = stack.kill("profile", signal.SIGSTOP)
    os.kill(json.loads(stack.layout.state.read_text())["supervisor"], signal.SIGKILL)
    assert "stopped" in stack.wanliu("down").stdout
    assert not psutil.pid_exists(frozen)
    assert survivors(stack.layout) == []
    assert "nothing was running" in stack.wanliu("down").stdout


def test_a_killed_process_comes_back_and_the_stack_serves_again(new_stack: StackFactory) -> None:
    stack = new_stack()
    key = stack.create_source("before")
    for name in ("nats", "postgres", "identity-worker"):
        killed = stack.kill(name)
        until(partial(has_come_back, stack, name, killed), f"{name} does not come back")
        until(lambda: bool(status(stack)["ready"]), f"the stack does not get ready after {name}")
        sent = httpx.post(f"{stack.url('ingest')}/v1/track", auth=(key, ""), json={"event": name, "userId": "u"})
        assert sent.status_code == 200
    stack.catchup()
    assert stack.wanliu("reconcile").returncode == 0


def test_ctrl_c_in_the_foreground_stops_everything(tmp_path: Path) -> None:
    words = ("up", "--data", str(tmp_path / "data"), "--port-base", str(free_port_base()))
    with subprocess.Popen([*WANLIU, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as foreground:
        assert foreground.stdout is not None
        assert any("Ctrl-C" in line for line in foreground.stdout)
        foreground.send_signal(signal.SIGINT)
        assert foreground.wait(timeout=PATIENCE) == 0
    assert survivors(Layout.at(tmp_path / "data")) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="as an ordinary user every other test here is this one")
def test_an_ordinary_user_needs_no_privilege(tmp_path: Path) -> None:
    """`nobody`, with the right to read where this checkout may be closed to others, and no other."""
    data = tmp_path / "data"
    data.mkdir()
    os.chown(data, 65534, 65534)
    user = Identity(65534, 65534, CAP_DAC_READ_SEARCH)
    environment = {**os.environ, "HOME": "/nonexistent"}

    def as_nobody(*words: str) -> "subprocess.CompletedProcess[str]":
        command = launch_command((*WANLIU, *words, "--data", str(data)), signal.SIGTERM, user)
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    try:
        started = as_nobody("up", "--detach", "--port-base", str(free_port_base()))
        assert started.returncode == 0, started.stderr
        assert as_nobody("status").returncode == 0
        assert {process.uids().effective for process in survivors(Layout.at(data))} == {65534}
        assert as_nobody("down").returncode == 0
    finally:
        stop_stack(data)
