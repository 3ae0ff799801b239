"""What the worker does with the log: erasures, and the check that the vault is the vault of this log."""

import pytest
from sqlalchemy import select, text

from libs.common.contracts.stitched import STITCHED, Erased, Stitched
from libs.common.contracts.vault import ERASED, Key
from libs.common.errors import Unavailable
from libs.common.eventlog.base import events_stream
from libs.common.positions import read_position
from services.privacy import ledger
from services.privacy.forgetting import NAME, VaultBehindLog, demands_of
from services.privacy.gate import Gate
from services.privacy.ledger import Erasure
from services.privacy.tables import metadata
from tests.vaults import NOON, STREAM, WORKSPACE, VaultProcess, phone, user


async def everything(vault: VaultProcess) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables but the positions."""
    async with vault.engine.connect() as connection:
        return {
            table.name: [tuple(row) for row in await connection.execute(select(table).order_by(*table.primary_key))]
            for table in metadata.sorted_tables
            if table.name != "positions"
        }


async def known(vault: VaultProcess, request: str) -> tuple[Erasure, int | None] | None:
    async with vault.engine.connect() as connection:
        return await ledger.erasure(connection, WORKSPACE, request)


async def test_an_erasure_is_counted_and_told_to_all_holders_of_keys(vault: VaultProcess) -> None:
    one, app, _ = await vault.bind([phone(1), user(1)], [phone(1)], [phone(2)])
    request = await vault.erase(one, app)
    vault.clock.at += 5
    assert await known(vault, request) == (Erasure(request, 1, 2, 2, NOON), NOON)
    evicted = {id for evict in vault.evicted for id in evict.bindings + evict.pseudonyms}
    assert evicted == {one.binding, app.binding, *one.pseudonyms}


async def test_every_entry_delivered_twice_changes_nothing(vault: VaultProcess) -> None:
    bound = await vault.bind(*([phone(n), user(n)] for n in range(6)))
    await vault.say_linked(*(each.binding for each in bound))
    await vault.say_erased(*bound[:2])
    await vault.say_erased(*bound[1:3])
    await vault.worker.catch_up()
    before = await everything(vault)
    vault.clock.at += 1
    twin = vault.another()
    async with twin.engine.begin() as connection:
        await connection.execute(text("UPDATE positions SET position = 0"))
    await twin.worker.catch_up()
    assert await everything(vault) == before
    assert len(before["identifiers"]) == 6
    assert [row[3:5] for row in before["erasures"]] == [(2, 4), (1, 2)]


async def test_one_by_one_or_in_one_batch_the_same_is_left(vault: VaultProcess) -> None:
    bound = await vault.bind(*([phone(n), user(n)] for n in range(9)))
    for each in bound[:3]:
        await vault.erase(each)
    for each in bound[3:6]:
        await vault.say_erased(each)
    await vault.worker.catch_up()
    assert await vault.keys(*(each.binding for each in bound[:6])) == [Key(ERASED)] * 6
    assert [key.key for key in await vault.keys(*(each.binding for each in bound[6:]))] == [b.key for b in bound[6:]]


async def test_two_workers_do_the_work_once(vault: VaultProcess) -> None:
    bound = await vault.bind(*([phone(n)] for n in range(4)))
    await vault.erase(bound[0])
    slow, fast = vault.another().worker, vault.another().worker
    await slow.catch_up()
    await vault.say_erased(bound[1])
    await fast.catch_up()
    await slow.catch_up()
    async with vault.engine.connect() as connection:
        assert (await read_position(connection, NAME, 0)).position == 2
    assert await vault.keys(bound[1].binding) == [Key(ERASED)]
    assert (await vault.bind([phone(2)]))[0] == bound[2]


async def test_an_erasure_that_found_nobody_is_done(vault: VaultProcess) -> None:
    request = await vault.say_erased()
    stored = (await _read(vault))[0]
    assert [demand.request for demand in demands_of(stored)] == [request]
    stored.facts[0].erased.clear()
    assert [demand.request for demand in demands_of(stored)] == [request]
    await vault.log.append(STREAM, STITCHED.encode(stored))
    await vault.worker.catch_up()
    found = await known(vault, request)
    assert found is not None
    assert found[0] == Erasure(request, 1, 0, 0, NOON)
    assert found[1] == NOON


async def test_a_later_fact_of_the_same_request_adds_to_it(vault: VaultProcess) -> None:
    one, two = await vault.bind([phone(1)], [phone(2)])
    await vault.say_erased(one)
    entry = (await _read(vault))[0]
    more = Erased(entry.facts[0].erased[0].request, NOON + 9, [], [two.binding], two.pseudonyms)
    entry.facts[0].erased[:] = [more]
    await vault.log.append(STREAM, STITCHED.encode(entry))
    await vault.worker.catch_up()
    found = await known(vault, "request-1")
    assert found is not None
    assert found[0] == Erasure("request-1", 1, 2, 2, NOON)
    assert await vault.keys(one.binding, two.binding) == [Key(ERASED)] * 2


async def _read(vault: VaultProcess) -> list[Stitched]:
    async with vault.log.read(STREAM, 0) as reader:
        return [STITCHED.decode(stored.data) for stored in await reader.next(max_entries=9, max_bytes=9999, wait=1)]


async def test_a_vault_that_does_not_know_what_the_log_names_stops(vault: VaultProcess) -> None:
    (bound,) = await vault.bind([phone(1)])
    await vault.say_linked(bound.binding)
    await vault.erase(bound)
    await vault.say_linked(bound.binding)
    await vault.worker.catch_up()  # known or erased is fine
    await vault.say_linked(b"!" * 16)
    with pytest.raises(VaultBehindLog, match=f"1 bindings of workspace shop .* {(b'!' * 16).hex()}"):
        await vault.worker.catch_up()


async def test_the_gate_opens_when_the_log_is_applied(vault: VaultProcess) -> None:
    (bound,) = await vault.bind([phone(1)])
    await vault.say_erased(bound)
    gate = Gate(vault.log, vault.engine, 1)
    with pytest.raises(Unavailable, match="not yet looked"):
        gate.must_be_open()
    assert "has applied 0 of 1" in await gate._missing()
    await vault.worker.catch_up()
    await gate.watch()
    gate.must_be_open()
    assert await vault.log.end(events_stream(0)) == 0
