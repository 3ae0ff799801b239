"""A disk that was full: when the broker must be started anew, and when that would be no use."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from libs.devstack import room
from libs.devstack.room import Room

REFUSED = "[ERR] JetStream failed to store a msg on stream 'WANLIU > EVENTS_0': write 1.blk: no space left on device\n"


def disk_with(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))


def test_room_is_back_when_writes_are_refused_although_the_disk_has_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "nats.log"
    watch = Room(tmp_path, log)
    disk_with(monkeypatch, room.ENOUGH_BYTES)
    assert not watch.is_back()  # no log yet
    log.write_text("[INF] Server is ready\n")
    assert not watch.is_back()
    with log.open("a") as file:
        file.write(REFUSED)
    assert watch.is_back()
    assert not watch.is_back()  # said once


def test_while_the_disk_is_full_nothing_is_to_be_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "nats.log"
    watch = Room(tmp_path, log)
    log.write_text(REFUSED)
    disk_with(monkeypatch, room.ENOUGH_BYTES - 1)
    assert not watch.is_back()


def test_a_log_that_was_cut_is_read_from_its_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "nats.log"
    watch = Room(tmp_path, log)
    disk_with(monkeypatch, room.ENOUGH_BYTES)
    log.write_text("x" * 1000)
    assert not watch.is_back()
    log.write_text(REFUSED)
    assert watch.is_back()
