"""Forgetting, seen by someone who has stolen everything; and forgetting that was killed halfway."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from libs.common.contracts.vault import ERASED, LIVE, Bound, Identifier, Key
from libs.common.crypto import SUITES, body_associated
from services.privacy.growth import split_when_full
from services.privacy.keyfiles import KeyFiles
from services.privacy.rotation import rotate
from tests.postgres import Database, PostgresServer
from tests.thief import Event, Thief
from tests.vaults import STREAM, WORKSPACE, VaultProcess, phone, user

PEOPLE, FORGOTTEN, EVENTS_EACH = 120, 12, 5


def person(number: int) -> list[Identifier]:
    return [phone(number), user(number)]


@dataclass
class Scene:
    """A vault in use, the log of its people's events, and the thief."""

    vault: VaultProcess
    thief: Thief
    bound: list[Bound]

    @property
    def events(self) -> list[list[Event]]:
        """The events of each person."""
        return [[_event(bound, n) for n in range(EVENTS_EACH)] for bound in self.bound]

    def people(self, numbers: Sequence[int]) -> dict[bytes, Identifier]:
        """The true identifier of each pseudonym."""
        return {
            pseudonym: identifier
            for number in numbers
            for pseudonym, identifier in zip(self.bound[number].pseudonyms, person(number), strict=True)
        }

    async def steal(self, numbers: Sequence[int]) -> tuple[int, int, int]:
        """(events decrypted, pseudonyms named, identifiers recognised) of these people."""
        await self.thief.look(self.vault.engine)
        events = [event for number in numbers for event in self.events[number]]
        people = self.people(numbers)
        return self.thief.readable(events), self.thief.named(people), self.thief.recognised(people.values())

    async def serves(self, numbers: Sequence[int]) -> bool:
        """Whether a freshly started process still has these people's keys and names."""
        process = self.vault.another()
        wanted = [self.bound[number] for number in numbers]
        keys = await process.keys(*(bound.binding for bound in wanted))
        people = self.people(numbers)
        named = dict(zip(people, await process.reveal(*people), strict=True))
        return keys == [Key(LIVE, bound.key) for bound in wanted] and named == people


def _event(bound: Bound, number: int) -> Event:
    id = number.to_bytes(16, "big")
    about = body_associated("intl-v1", WORKSPACE, bound.binding, id)
    return Event(id, bound.binding, SUITES["intl-v1"].sealer(bound.key).seal(b"bought a book", about))


NOTHING = (0, 0, 0)
GONE, STAYING = range(FORGOTTEN), range(FORGOTTEN, FORGOTTEN + 12)


def all_of(people: int) -> tuple[int, int, int]:
    """What there is to steal of this many people."""
    return people * EVENTS_EACH, people * 2, people * 2


@pytest.fixture
async def scene(database: Database, postgres: PostgresServer, tmp_path: Path) -> Scene:
    vault = VaultProcess(await database("privacy", "vault"), tmp_path / "vault", bucket_rows=60)
    thief = Thief(WORKSPACE, tmp_path / "vault", postgres.data)
    await thief.begin(vault.engine)
    await vault.create()
    bound = []
    for start in range(0, PEOPLE, 30):
        bound += await vault.bind(*(person(number) for number in range(start, start + 30)))
        await thief.overhear(vault.engine)
        for family in ("identifiers", "bindings"):
            await split_when_full(vault.vault, WORKSPACE, family, 0)
    return Scene(vault, thief, bound)


@pytest.mark.parametrize("overwriting", [True, False], ids=["as it is", "without overwriting slots"])
async def test_what_was_forgotten_cannot_be_read_by_anyone_who_has_everything(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, overwriting: bool
) -> None:
    """The second case is the proof that the first can fail: without the overwriting the thief reads it all."""
    assert await scene.steal(GONE) == all_of(FORGOTTEN)
    if not overwriting:
        monkeypatch.setattr(KeyFiles, "wipe", lambda *_: None)
    for number in GONE:
        await scene.vault.erase(scene.bound[number])
    stolen = await scene.steal(GONE)
    print(f"\nevents decrypted after erasure: {stolen[0]} of {FORGOTTEN * EVENTS_EACH}, overwriting={overwriting}")
    assert stolen == (NOTHING if overwriting else all_of(FORGOTTEN))
    copies = [len(scene.thief.copies[scene.bound[number].binding]) for number in GONE]
    assert min(copies) > 1, "deleted rows should still lie about in heap pages and WAL, else this shows nothing"
    assert await scene.steal(STAYING) == all_of(len(STAYING))
    assert await scene.serves(range(FORGOTTEN, PEOPLE))


async def test_old_slots_that_a_file_system_kept_die_with_the_next_rotation(scene: Scene) -> None:
    kept = {path.name: path.read_bytes() for path in (scene.vault.directory / WORKSPACE).glob("slots.*")}
    for number in GONE:
        await scene.vault.erase(scene.bound[number])
    undead = scene.vault.directory / "undead"
    undead.mkdir()
    for name, content in kept.items():
        (undead / name).write_bytes(content)
    events, named, recognised = await scene.steal(GONE)
    assert events == all_of(FORGOTTEN)[0]
    # Almost all: PostgreSQL may have reused the place of a dead row meanwhile.
    assert min(named, recognised) > 0.8 * all_of(FORGOTTEN)[1]
    await rotate(scene.vault.ring, WORKSPACE)
    assert await scene.steal(GONE) == NOTHING
    assert await scene.serves(range(FORGOTTEN, PEOPLE))


SEAMS = ["slots written", "rows rewritten", "committed", "half overwritten", "overwritten"]


@pytest.mark.parametrize("seam", SEAMS)
async def test_an_erasure_killed_anywhere_loses_nothing_and_is_completed(scene: Scene, seam: str) -> None:
    await scene.vault.say_erased(*(scene.bound[number] for number in GONE))
    die(scene, seam)
    await scene.thief.overhear(scene.vault.engine)
    assert await scene.serves(range(FORGOTTEN, PEOPLE))
    survivor = scene.vault.another()
    await survivor.worker.catch_up()
    assert await survivor.keys(*(scene.bound[number].binding for number in GONE)) == [Key(ERASED)] * FORGOTTEN
    assert await scene.steal(GONE) == NOTHING
    assert await scene.steal(STAYING) == all_of(len(STAYING))
    assert await scene.serves(range(FORGOTTEN, PEOPLE))
    # Nor can a later erasure be undone with keys of the transaction that never was.
    await survivor.erase(*(scene.bound[number] for number in STAYING))
    assert await scene.steal(STAYING) == NOTHING


@pytest.mark.parametrize("seam", ["new files written", "rotation committed", "old KEK overwritten"])
async def test_a_rotation_killed_anywhere_loses_nothing_and_leaves_no_old_key(scene: Scene, seam: str) -> None:
    old = [path.read_bytes() for path in (scene.vault.directory / WORKSPACE).iterdir()]
    die(scene, seam)
    assert await scene.serves(range(PEOPLE))
    await scene.vault.another().ring.sweep(WORKSPACE)
    now = [path.read_bytes() for path in (scene.vault.directory / WORKSPACE).iterdir()]
    assert len(now) == 2
    assert bool(set(now) & set(old)) == (seam == "new files written")
    assert await scene.serves(range(PEOPLE))
    await scene.vault.erase(scene.bound[0])
    assert await scene.steal(range(1)) == NOTHING


def die(scene: Scene, seam: str) -> None:
    """Another process does it and is killed at the seam, by itself: kill -9."""
    stream = scene.vault.log._streams[STREAM]
    history = msgspec.msgpack.encode([stream.id, stream.entries])
    url = scene.vault.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-m", "tests.faults.forgetting_child", url, str(scene.vault.directory), seam]
    died = subprocess.run(command, input=history, check=False, capture_output=True, timeout=60)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
