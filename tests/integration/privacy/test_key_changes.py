"""Keys that come and go: growing buckets, rotation, left-overs, and files that do not belong to the database."""

import asyncio
import random
import shutil
from pathlib import Path

import pytest
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.clock import DAY, day_of
from libs.common.contracts.vault import ERASED, LIVE, UNKNOWN, Bound, DayKeyRequest, Identifier, Key, WorkspaceRequest
from services.privacy import ledger, tables
from services.privacy.buckets import BINDINGS, IDENTIFIERS
from services.privacy.growth import grow, split_when_full
from services.privacy.housekeeping import clean
from services.privacy.keyfiles import KeyFiles, UnknownKeyFiles
from services.privacy.keyring import KeyLost
from services.privacy.rotation import ROTATE_AFTER, rotate
from tests.vaults import NOON, WORKSPACE, VaultProcess, phone, user


def key_files(vault: VaultProcess) -> list[Path]:
    return sorted((vault.directory / WORKSPACE).iterdir())


def buckets(vault: VaultProcess, family: str) -> int:
    return len(vault.ring._trees[WORKSPACE].directories[family].starts)


async def live(vault: VaultProcess, bound: list[Bound]) -> bool:
    return await vault.keys(*(each.binding for each in bound)) == [Key(LIVE, each.key) for each in bound]


async def grown(vault: VaultProcess) -> None:
    growing = asyncio.create_task(grow(vault.vault))
    await vault.vault.crowded.join()
    growing.cancel()


async def test_full_buckets_split_and_nothing_changes_for_anyone(vault: VaultProcess) -> None:
    vault.vault.bucket_rows = 40
    stale, of_keys, of_names = (vault.another() for _ in range(3))
    sets = [[phone(n), user(n)] for n in range(400)]
    bound = await vault.bind(*sets)
    assert await live(of_keys, bound)
    assert None not in await of_names.find(*(identifiers[0] for identifiers in sets))
    bound = []
    for start in range(0, 400, 50):
        bound += await vault.bind(*sets[start : start + 50])
        await stale.bind(*sets[: start + 1])
        await grown(vault)
    await vault.ring.reload(WORKSPACE)
    assert buckets(vault, IDENTIFIERS) >= 8
    assert buckets(vault, BINDINGS) >= 8
    moved = [each for each in bound if each.binding[0] >= 128]
    assert await live(of_keys, moved)
    assert await of_names.find(*(identifiers[0] for identifiers in sets)) == [each.pseudonyms[0] for each in bound]
    assert await stale.bind(*sets) == bound
    assert await live(vault.another(), bound)
    assert await vault.another().reveal(bound[7].pseudonyms[1]) == [user(7)]
    await vault.erase(bound[0])
    assert await live(vault, bound[1:])


async def test_a_bucket_that_is_not_full_stays(vault: VaultProcess) -> None:
    await vault.bind([phone(1)])
    assert not await split_when_full(vault.vault, WORKSPACE, IDENTIFIERS, 0)


async def test_rotation_changes_the_kek_and_nothing_else(vault: VaultProcess) -> None:
    bound = await vault.bind(*([phone(n), user(n)] for n in range(20)))
    about = await vault.vault.workspace(WorkspaceRequest(WORKSPACE))
    day = await vault.vault.day_key(DayKeyRequest(WORKSPACE, day_of(NOON)))
    await vault.erase(bound[0])
    old = {path.name: path.read_bytes() for path in key_files(vault)}
    stale = vault.another()
    assert await live(stale, bound[1:])
    await rotate(vault.ring, WORKSPACE)
    new = {path.name: path.read_bytes() for path in key_files(vault)}
    assert len(new) == len(old) == 2
    assert not set(new) & set(old)
    for process in (vault, stale, vault.another()):
        assert await live(process, bound[1:])
        assert await process.bind([phone(3), user(3)]) == bound[3:4]
        assert await process.vault.workspace(WorkspaceRequest(WORKSPACE)) == about
        assert await process.vault.day_key(DayKeyRequest(WORKSPACE, day_of(NOON))) == day
    await vault.erase(bound[1])
    assert await live(stale, bound[2:])


async def test_a_process_that_starts_while_the_kek_is_rotated_reads_the_new_one(
    vault: VaultProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound = await vault.bind([phone(1)])
    is_suppressing = ledger.is_suppressing

    async def rotate_in_between(connection: AsyncConnection, workspace: str) -> bool:
        """Called after the row was read and before the files are."""
        monkeypatch.setattr(ledger, "is_suppressing", is_suppressing)
        await rotate(vault.ring, WORKSPACE)
        return await is_suppressing(connection, workspace)

    monkeypatch.setattr(ledger, "is_suppressing", rotate_in_between)
    assert await live(vault.another(), bound)


async def test_the_kek_is_rotated_before_thirty_days_are_over(vault: VaultProcess) -> None:
    names = [path.name for path in key_files(vault)]
    vault.clock.at += ROTATE_AFTER - 1
    await clean(vault.ring)
    assert [path.name for path in key_files(vault)] == names
    vault.clock.at += 1
    await clean(vault.ring)
    assert [path.name for path in key_files(vault)] != names
    assert ROTATE_AFTER < 30 * DAY


async def test_slots_and_files_that_no_row_names_are_overwritten_by_a_sweep(vault: VaultProcess) -> None:
    bound = await vault.bind([phone(1)])
    files = KeyFiles(vault.directory, WORKSPACE)
    orphan = files.create(b"kek", {0: b"slot"})
    with pytest.raises(RuntimeError, match="crash"):
        await _leave_a_slot(vault)
    assert files.read(_name(vault, orphan), 3).startswith(b"left over")
    await vault.another().ring.sweep(WORKSPACE)
    assert not files.read(_name(vault, orphan), 3).startswith(b"left over")
    assert files.names() == {_name(vault, orphan)}
    assert await live(vault.another(), bound)


def _name(vault: VaultProcess, other: str) -> str:
    (name,) = KeyFiles(vault.directory, WORKSPACE).names() - {other}
    return name


async def _leave_a_slot(vault: VaultProcess) -> None:
    async with vault.ring.changing(WORKSPACE) as change:
        (slot,) = await change.write([(b"nobody", b"k" * 32)])
        change.tree.files.write(change.tree.key_file, {slot: b"left over"})
        vault.ring._touched.clear()
        raise RuntimeError("crash")


async def test_a_change_that_fails_is_undone_and_its_slots_overwritten(vault: VaultProcess) -> None:
    bound = await vault.bind([phone(1)])
    files = KeyFiles(vault.directory, WORKSPACE)
    with pytest.raises(RuntimeError, match="fails"):
        await _fail_a_change(vault)
    assert not files.read(_name(vault, ""), 3).startswith(b"not wiped")
    assert await live(vault, bound)


async def _fail_a_change(vault: VaultProcess) -> None:
    async with vault.ring.changing(WORKSPACE) as change:
        (slot,) = await change.write([(b"nobody", b"k" * 32)])
        change.tree.files.write(change.tree.key_file, {slot: b"not wiped"})
        raise RuntimeError("fails")


async def test_a_database_older_than_its_key_files_is_refused_and_nothing_destroyed(vault: VaultProcess) -> None:
    (one, _) = await vault.bind([phone(1)], [phone(2)])
    older = vault.directory.parent / "older"
    shutil.copytree(vault.directory, older)
    await vault.erase(one)
    shutil.rmtree(vault.directory)
    older.rename(vault.directory)
    before = [path.read_bytes() for path in key_files(vault)]
    with pytest.raises(KeyLost, match="not of the same time"):
        await vault.another().ring.sweep(WORKSPACE)
    with pytest.raises(KeyLost, match="does not hold the key"):
        await vault.another().bind([phone(2)])
    assert [path.read_bytes() for path in key_files(vault)] == before


async def test_missing_key_files_are_a_clear_error(vault: VaultProcess) -> None:
    shutil.rmtree(vault.directory)
    with pytest.raises(KeyLost, match="cannot be opened"):
        await vault.another().bind([phone(1)])


async def _lose_the_database(vault: VaultProcess) -> None:
    async with vault.engine.begin() as connection:
        for table in (tables.workspaces, tables.slot_counters, tables.buckets):
            await connection.execute(delete(table))


async def test_keys_of_a_workspace_that_the_database_lost_are_never_replaced(vault: VaultProcess) -> None:
    before = [path.read_bytes() for path in key_files(vault)]
    await _lose_the_database(vault)
    with pytest.raises(UnknownKeyFiles, match="restore the database"):
        await vault.another().create()
    assert [path.read_bytes() for path in key_files(vault)] == before


async def test_a_creation_that_was_killed_halfway_is_begun_again(vault: VaultProcess) -> None:
    await _lose_the_database(vault)
    (vault.directory / WORKSPACE / "creating").touch()
    again = await vault.another().create()
    await again.ring.sweep(WORKSPACE)
    assert len(key_files(vault)) == 2
    assert await again.keys(b"?" * 16) == [Key(UNKNOWN)]


async def test_key_files_are_for_their_owner_only(vault: VaultProcess) -> None:
    for path in (vault.directory, vault.directory / WORKSPACE):
        assert path.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in key_files(vault))


async def test_everything_at_once_by_several_processes_loses_nothing(vault: VaultProcess) -> None:
    """Binding, splitting, erasing, rotating and sweeping, all at the same time."""
    binders, gardener, keeper = [vault.another() for _ in range(3)], vault.another(), vault.another()
    for process in (*binders, gardener):
        process.vault.bucket_rows = 30
    doomed = await vault.bind(*([user(10_000 + n)] for n in range(12)))
    bound: list[Bound] = []

    async def bind(number: int) -> None:
        for start in range(0, 200, 10):
            bound.extend(await binders[number].bind(*([phone(number * 1000 + start + n)] for n in range(10))))

    async def split() -> None:
        for round in range(8):
            for family in (IDENTIFIERS, BINDINGS):
                await split_when_full(gardener.vault, WORKSPACE, family, round << 29)

    async def erase() -> None:
        for each in doomed:
            await vault.erase(each)

    async def keep_house() -> None:
        for _ in range(4):
            await rotate(keeper.ring, WORKSPACE)
            await keeper.ring.sweep(WORKSPACE)

    await asyncio.gather(*(bind(number) for number in range(3)), split(), erase(), keep_house())
    fresh = vault.another()
    assert len(bound) == 600
    assert await live(fresh, bound)
    assert await fresh.keys(*(each.binding for each in doomed)) == [Key(ERASED)] * 12
    found = await fresh.reveal(*(each.pseudonyms[0] for each in bound))
    assert {each.value for each in found if each} == {phone(n * 1000 + m).value for n in range(3) for m in range(200)}
    await fresh.ring.sweep(WORKSPACE)


@pytest.mark.parametrize("seed", range(4))
async def test_any_history_leaves_exactly_the_living(vault: VaultProcess, seed: int) -> None:
    """Binding, erasing, splitting, rotating and restarting in any order, by two processes, against a model."""
    chance = random.Random(seed)
    processes = [vault, vault.another()]
    alive: dict[tuple[Identifier, ...], Bound] = {}
    dead: list[Bound] = []
    for _ in range(40):
        here = chance.randrange(2)
        process = processes[here]
        process.vault.bucket_rows = 10
        step = chance.choice(["bind"] * 4 + ["erase"] * 3 + ["grow", "rotate", "restart"])
        if step == "bind":
            sets = [(phone(n), user(n)) for n in chance.sample(range(60), 8)]
            for identifiers, bound in zip(sets, await process.bind(*sets), strict=True):
                assert alive.setdefault(identifiers, bound) == bound
        elif step == "erase" and alive:
            gone = alive.pop(chance.choice(list(alive)))
            dead.append(gone)
            await process.erase(gone)
        elif step == "grow":
            await grown(process)
        elif step == "rotate":
            await rotate(process.ring, WORKSPACE)
        elif step == "restart":
            processes[here] = vault.another()
    for process in (*processes, vault.another()):
        assert await live(process, list(alive.values()))
        assert await process.keys(*(bound.binding for bound in dead)) == [Key(ERASED)] * len(dead)
        found = await process.find(*(identifiers[0] for identifiers in alive))
        assert found == [bound.pseudonyms[0] for bound in alive.values()]
