"""What the vault costs: binding, looking up keys, forgetting, on real PostgreSQL (durable, as `wanliu up` sets it).

    python -m bench.vault [--people 50000]

No NATS: these are the vault's own figures. A person is a user id and an anonymous id, so two identifiers and
one binding. `forget` erases one person at a time, from the fact to the overwritten slot.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import uvloop
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from bench.identity import Server, server
from libs.common import migrate
from libs.common.clock import SystemClock
from libs.common.contracts.vault import BindRequest, Bound, Identifier, KeysRequest
from libs.common.crypto import SUITES
from libs.common.dataloader import Loader
from libs.common.db import open_engine
from libs.common.vault_client import HeldBinding
from services.privacy.forgetting import Demand, forget
from services.privacy.growth import grow
from services.privacy.keyring import Keyring
from services.privacy.rotation import rotate
from services.privacy.vault import Vault

WORKSPACE = "bench"
SETS = 500


def person(number: int) -> list[Identifier]:
    """A user id and an anonymous id."""
    return [Identifier("user_id", f"user-{number}"), Identifier("anonymous_id", f"{number:032x}")]


@asynccontextmanager
async def opened(found: Server) -> AsyncIterator[AsyncEngine]:
    """The vault's schema on the server."""
    url = make_url(found.url)
    connection = await asyncpg.connect(
        host=url.host, port=url.port, user=url.username, password=url.password, database=url.database
    )
    await connection.execute("CREATE SCHEMA vault")
    await connection.close()
    await migrate.upgrade(found.url, "vault", "privacy")
    async with open_engine(found.url, "vault", pool_size=10) as engine:
        yield engine


async def measure(found: Server, name: str, count: int, work: Callable[[], Awaitable[None]]) -> None:
    """Prints what `count` of something cost."""
    wall, own, theirs = time.perf_counter(), time.process_time(), found.cpu()
    await work()
    wall, own, theirs = time.perf_counter() - wall, time.process_time() - own, found.cpu() - theirs
    micros = 1e6 / count
    print(
        f"{name:<34}{count / wall:>10,.0f}/s {own * micros:>12.1f} {theirs * micros:>12.1f} "
        f"{(own + theirs) * micros:>10.1f}",
        flush=True,
    )


async def bind(vault: Vault, numbers: Sequence[int]) -> list[Bound]:
    """In requests of 500, two at a time."""

    async def ask(start: int) -> list[Bound]:
        sets = [person(number) for number in numbers[start : start + SETS]]
        return (await vault.bind(BindRequest(WORKSPACE, sets))).bound

    bound: list[Bound] = []
    for start in range(0, len(numbers), 2 * SETS):
        for part in await asyncio.gather(ask(start), ask(start + SETS)):
            bound += part
    return bound


async def keys(vault: Vault, bound: Sequence[Bound]) -> None:
    """In requests of 2,000."""
    for start in range(0, len(bound), 2000):
        await vault.keys(KeysRequest(WORKSPACE, [each.binding for each in bound[start : start + 2000]]))


async def forget_each(ring: Keyring, bound: Sequence[Bound]) -> None:
    """One change of keys per person."""
    for number, each in enumerate(bound):
        async with ring.changing(WORKSPACE) as change:
            ids = frozenset([each.binding]), frozenset(each.pseudonyms)
            await forget(change, [Demand(WORKSPACE, number, number, f"r{number}", *ids)])


async def hold(people: int) -> None:
    """What a client pays for a set of identifiers that it holds."""
    suite = SUITES["intl-v1"]

    async def fetch(sets: list[tuple[Identifier, ...]]) -> list[HeldBinding]:
        return [HeldBinding(Bound(b"", [], bytes(32), 0), suite.sealer(bytes(32)), 1 << 62) for _ in sets]

    loader = Loader(fetch, SystemClock().now, batch=SETS, capacity=100_000)
    sets = [tuple(person(number)) for number in range(min(people, 20_000))]
    await loader.load(sets)
    begun = time.perf_counter()
    for start in range(0, len(sets), SETS):
        await loader.load(sets[start : start + SETS])
    print(f"{'held by the client':<34}{(time.perf_counter() - begun) / len(sets) * 1e6:>10.2f} us each")


async def run(people: int) -> None:
    print(f"{'':<34}{'rate':>12} {'python us':>12} {'postgres us':>12} {'sum us':>10}")
    with tempfile.TemporaryDirectory(prefix="wanliu-bench-vault-") as directory:
        async with server() as found, opened(found) as engine:
            ring = Keyring(engine, Path(directory), SystemClock())
            await ring.ensure(WORKSPACE, 0, SUITES["intl-v1"])
            vault = Vault(ring)
            gardener = asyncio.create_task(grow(vault))
            bound: list[Bound] = []

            async def new() -> None:
                bound.extend(await bind(vault, range(people)))
                await vault.crowded.join()

            async def known() -> None:
                await bind(vault, range(people))

            await measure(found, "bind new people, splits included", people, new)
            await measure(found, "bind known people", people, known)
            await measure(found, "keys", people, lambda: keys(vault, bound))
            await measure(found, "forget a person", 50, lambda: forget_each(ring, bound[:50]))
            await measure(found, "rotate the KEK", 1, lambda: rotate(ring, WORKSPACE))
            tree = await ring.reload(WORKSPACE)
            buckets = {family: len(directory.starts) for family, directory in tree.directories.items()}
            print(f"{'buckets':<34}{buckets}")
            gardener.cancel()
    await hold(people)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=50_000)
    arguments = parser.parse_args()
    uvloop.run(run(arguments.people))


if __name__ == "__main__":
    main()
