"""The vault's client and server over a real nats-server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from nats.aio.client import Client

from libs.common.clock import day_of
from libs.common.contracts.vault import ERASED, EVICT_SUBJECT, LIVE, UNKNOWN, Evict
from libs.common.errors import NotFound, Unavailable
from libs.common.eventlog.jetstream import connect
from libs.common.vault_client import HeldBinding, VaultClient, VaultFault
from services.privacy.server import VaultServer
from tests.nats import NatsServer
from tests.vaults import NOON, WORKSPACE, VaultProcess, phone, user
from tests.waiting import eventually


def always_open() -> None:
    """No gate."""


@asynccontextmanager
async def serving(nats: Client, vault: VaultProcess) -> AsyncIterator[None]:
    server = VaultServer(nats, vault.vault, always_open)
    await server.start()
    await nats.flush()
    yield
    await server.stop()


@pytest.fixture
async def nats(own_nats: NatsServer) -> AsyncIterator[Client]:
    async with connect(own_nats.url, "test") as client:
        yield client


@pytest.fixture
async def client(nats: Client, vault: VaultProcess) -> AsyncIterator[VaultClient]:
    async with serving(nats, vault):
        yield VaultClient(nats, WORKSPACE, vault.clock)


def count_requests(vault: VaultProcess, operation: str) -> list[object]:
    """Fills with the requests that reach the vault from now on."""
    seen: list[object] = []
    original = getattr(vault.vault, operation)

    async def counted(request: object) -> object:
        seen.append(request)
        return await original(request)

    setattr(vault.vault, operation, counted)
    return seen


async def test_bound_keys_seal_what_loaded_keys_open(client: VaultClient, vault: VaultProcess) -> None:
    held, _ = await client.bind([[phone(1), user(1)], [phone(2)]])
    sealed = held.sealer.seal(b"an event", b"about")
    found = await client.keys([held.binding, b"?" * 16])
    assert found[held.binding].state == LIVE
    assert found[held.binding].sealer.open(sealed, b"about") == b"an event"
    assert found[b"?" * 16].state == UNKNOWN
    with pytest.raises(LookupError, match="unknown"):
        _ = found[b"?" * 16].sealer
    assert (held.binding, held.key) == ((await vault.bind([phone(1), user(1)]))[0].binding, held.key)


async def test_all_operations_answer(client: VaultClient) -> None:
    about = await client.workspace()
    assert (about.workspace, about.partition, about.suite) == (WORKSPACE, 0, "intl-v1")
    (held,) = await client.bind([[phone(1)]])
    assert await client.find([phone(1), phone(2)]) == [held.pseudonyms[0], None]
    assert await client.reveal(held.pseudonyms) == [phone(1)]
    today = await client.day_key(day_of(NOON))
    assert today.sealer.open(today.sealer.seal(b"reject", b""), b"") == b"reject"
    assert await client.day_key(day_of(NOON)) is today


async def test_what_is_held_is_not_asked_again_until_it_expires(vault: VaultProcess, nats: Client) -> None:
    binds, keys = count_requests(vault, "bind"), count_requests(vault, "keys")
    async with serving(nats, vault):
        client = VaultClient(nats, WORKSPACE, vault.clock)
        for _ in range(3):
            (held,) = await client.bind([[phone(1)]])
            await client.keys([held.binding])
        assert (len(binds), len(keys)) == (1, 1)
        vault.clock.at += 60_000_000
        (again,) = await client.bind([[phone(1)]])
        await client.keys([held.binding])
        assert (len(binds), len(keys)) == (2, 2)
        assert again is not held


async def test_concurrent_callers_share_requests(vault: VaultProcess, nats: Client) -> None:
    binds = count_requests(vault, "bind")
    async with serving(nats, vault):
        client = VaultClient(nats, WORKSPACE, vault.clock)
        calls = [asyncio.create_task(client.bind([[phone(n % 300)], [user(n)]])) for n in range(600)]
        answers: list[list[HeldBinding]] = await asyncio.gather(*calls)
    assert len(binds) <= 4
    assert len({held.binding for answer in answers for held in answer}) == 900


async def test_erasure_empties_the_caches_of_all_clients(vault: VaultProcess, nats: Client) -> None:
    async with serving(nats, vault):
        clients = [VaultClient(nats, WORKSPACE, vault.clock) for _ in range(2)]
        for client in clients:
            one, other, shared = await client.bind([[phone(1)], [phone(2)], [phone(1), user(9)]])
            await client.keys([one.binding, other.binding])
        bound = (await vault.bind([phone(1)]))[0]
        await vault.erase(bound)
        await nats.publish(EVICT_SUBJECT, msgspec.msgpack.encode(Evict("elsewhere", [other.binding], [])))
        for evict in vault.evicted:
            await nats.publish(EVICT_SUBJECT, msgspec.msgpack.encode(evict))
        for client in clients:

            async def forgotten(client: VaultClient = client) -> bool:
                return (await client.bind([[phone(1)]]))[0].binding != one.binding

            await eventually(forgotten)
            new, same, reshared = await client.bind([[phone(1)], [phone(2)], [phone(1), user(9)]])
            assert new.binding != one.binding
            assert reshared.binding != shared.binding
            assert same.key == other.key
            found = await client.keys([one.binding, other.binding])
            assert [found[id].state for id in (one.binding, other.binding)] == [ERASED, LIVE]


async def test_a_found_identifier_is_asked_for_once_and_again_after_its_erasure(
    vault: VaultProcess, nats: Client
) -> None:
    finds = count_requests(vault, "find")
    async with serving(nats, vault):
        client = VaultClient(nats, WORKSPACE, vault.clock)
        (held,) = await client.bind([[phone(1)]])
        answers = await asyncio.gather(*(client.find([phone(1), phone(2)]) for _ in range(20)))
        assert answers == [[held.pseudonyms[0], None]] * 20
        assert await client.find([phone(1)]) == held.pseudonyms
        assert len(finds) == 1
        assert await client.find([phone(2)]) == [None]
        assert len(finds) == 2
        await vault.erase((await vault.bind([phone(1)]))[0])
        for evict in vault.evicted:
            await nats.publish(EVICT_SUBJECT, msgspec.msgpack.encode(evict))

        async def forgotten() -> bool:
            return await client.find([phone(1)]) == [None]

        await eventually(forgotten)


async def test_caches_are_empty_after_a_reconnect(vault: VaultProcess, nats: Client, own_nats: NatsServer) -> None:
    reconnected = asyncio.Event()

    async def note() -> None:
        reconnected.set()

    nats._reconnected_cb = note
    async with serving(nats, vault):
        client = VaultClient(nats, WORKSPACE, vault.clock)
        (held,) = await client.bind([[phone(1)]])
        await client.keys([held.binding])
        own_nats.stop()
        await vault.erase((await vault.bind([phone(1)]))[0])  # nobody hears of it
        own_nats.start()
        await asyncio.wait_for(reconnected.wait(), 10)
        assert (await client.keys([held.binding]))[held.binding].state == ERASED
        assert (await client.bind([[phone(1)]]))[0].binding != held.binding


async def test_no_vault_is_unavailable_and_a_later_one_serves(vault: VaultProcess, nats: Client) -> None:
    client = VaultClient(nats, WORKSPACE, vault.clock, timeout=1)
    with pytest.raises(Unavailable, match="did not answer"):
        await client.bind([[phone(1)]])
    async with serving(nats, vault):
        assert len(await client.bind([[phone(1)]])) == 1


async def test_a_closed_vault_is_unavailable_but_tells_about_workspaces(vault: VaultProcess, nats: Client) -> None:
    def closed() -> None:
        raise Unavailable("the vault is closed: it replays")

    server = VaultServer(nats, vault.vault, closed)
    await server.start()
    client = VaultClient(nats, WORKSPACE, vault.clock)
    assert (await client.workspace()).partition == 0
    for call in (client.bind([[phone(1)]]), client.keys([b"?" * 16]), client.find([phone(1)])):
        with pytest.raises(Unavailable, match="it replays"):
            await call
    await server.stop()


async def test_a_database_that_is_away_is_unavailable(vault: VaultProcess, nats: Client) -> None:
    async def away(request: object) -> object:
        raise ConnectionRefusedError("5432")

    vault.vault.bind = away  # type: ignore[method-assign,assignment]
    async with serving(nats, vault):
        with pytest.raises(Unavailable, match="database is away"):
            await VaultClient(nats, WORKSPACE, vault.clock).bind([[phone(1)]])


async def test_refusals_are_faults_that_say_why(vault: VaultProcess, nats: Client) -> None:
    async with serving(nats, vault):
        with pytest.raises(NotFound, match="'nobody'"):
            await VaultClient(nats, "nobody", vault.clock).find([phone(1)])
        with pytest.raises(VaultFault, match="empty"):
            await VaultClient(nats, WORKSPACE, vault.clock).bind([[]])
        reply = await nats.request("vault.v1.bind", b"\xc1", timeout=2)
        assert (reply.headers or {})["Wanliu-Error"] == "bad_request"


async def test_several_processes_share_the_work(vault: VaultProcess, nats: Client, own_nats: NatsServer) -> None:
    first, second = count_requests(vault, "keys"), count_requests(twin := vault.another(), "keys")
    async with connect(own_nats.url, "twin") as other, serving(nats, vault), serving(other, twin):
        for n in range(40):
            client = VaultClient(nats, WORKSPACE, vault.clock)
            await client.keys([bytes([n]) * 16])
    assert len(first) + len(second) == 40
    assert first
    assert second
