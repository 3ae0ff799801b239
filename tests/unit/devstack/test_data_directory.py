"""The data directory: secrets once and closed, one supervisor, bounded logs."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from libs.devstack import logs
from libs.devstack.credentials import Credentials, ensure_token_keys, write_private
from libs.devstack.errors import StackError
from libs.devstack.layout import Layout
from libs.devstack.state import MARK, StackState, supervising, supervisor_pid, survivors, sweep


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout.at(tmp_path / "data")
    made.create()
    return made


def test_secrets_are_made_once_and_readable_by_their_owner_only(layout: Layout) -> None:
    Credentials(layout).ensure(["nats/a", "postgres/b"])
    first = Credentials(layout).password("nats", "a")
    Credentials(layout).ensure(["nats/a", "postgres/b", "nats/new"])
    ensure_token_keys(layout)
    assert Credentials(layout).password("nats", "a") == first
    assert layout.secrets.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in layout.secrets.iterdir()} == {0o600}


def test_token_keys_stay_what_they_were(layout: Layout) -> None:
    ensure_token_keys(layout)
    before = layout.token_private_key.read_bytes()
    ensure_token_keys(layout)
    assert layout.token_private_key.read_bytes() == before


def test_a_password_that_was_never_made_is_an_error_not_a_new_one(layout: Layout) -> None:
    with pytest.raises(StackError, match="no password for nats/nobody"):
        Credentials(layout).password("nats", "nobody")


def test_a_file_is_replaced_whole(layout: Layout) -> None:
    path = layout.root / "file"
    write_private(path, b"one")
    write_private(path, b"two")
    assert path.read_bytes() == b"two"
    assert [each.name for each in layout.root.iterdir() if "file" in each.name] == ["file"]


def test_a_second_supervisor_is_refused_and_the_first_is_known(layout: Layout) -> None:
    assert supervisor_pid(layout) is None
    with supervising(layout):
        assert supervisor_pid(layout) == os.getpid()
        with pytest.raises(StackError, match="already runs"), supervising(layout):
            pass
    assert supervisor_pid(layout) is None


@pytest.mark.parametrize("content", [b"", b"damaged", b"{}"])
def test_a_damaged_state_file_says_what_to_do(layout: Layout, content: bytes) -> None:
    layout.state.write_bytes(content)
    with pytest.raises(StackError, match="damaged: `wanliu down`"):
        StackState.load(layout)


def test_a_directory_without_a_stack_says_what_to_do(layout: Layout) -> None:
    with pytest.raises(StackError, match="`wanliu up` makes one"):
        StackState.load(layout)


def started(mark: str) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(
        [sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()"],
        stdout=subprocess.PIPE,
        env={**os.environ, MARK: mark},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    return process


def test_a_sweep_ends_the_marked_processes_of_this_directory_and_no_other(layout: Layout, tmp_path: Path) -> None:
    with started(str(layout.root)) as ours, started(str(tmp_path / "other")) as theirs:
        try:
            assert [process.pid for process in survivors(layout)] == [ours.pid]
            assert sweep(layout) != []
            assert ours.poll() is not None
            assert theirs.poll() is None
        finally:
            theirs.kill()
            ours.kill()


def test_a_frozen_survivor_is_ended_too(layout: Layout) -> None:
    with started(str(layout.root)) as frozen:
        os.kill(frozen.pid, signal.SIGSTOP)
        sweep(layout)
        assert frozen.poll() is not None


def test_a_crash_s_postmaster_file_does_not_stop_the_next_start(layout: Layout) -> None:
    layout.postgres.mkdir()
    (layout.postgres / "postmaster.pid").write_text(f"{os.getpid()}\n")
    sweep(layout)
    assert not (layout.postgres / "postmaster.pid").exists()


def test_a_log_keeps_the_run_before_and_stays_small(layout: Layout) -> None:
    path = layout.log("x")
    path.write_text("first run\n")
    logs.rotate(path)
    with path.open("a") as writing:  # as a child does
        writing.write("a" * 200 + "\n")
        writing.flush()
        logs.bound(path, limit=100)
        writing.write("after\n")
    assert path.read_text() == "after\n"
    assert logs.previous(path).read_text() == "a" * 200 + "\n"


def test_the_tail_of_a_log_is_its_last_lines(layout: Layout) -> None:
    path = layout.log("x")
    path.write_text("".join(f"line {n}\n" for n in range(5000)))
    assert logs.tail(path, lines=2) == "line 4998\nline 4999"
    assert logs.tail(layout.log("none")) == ""
