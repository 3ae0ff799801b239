"""The processes of a stack as programs to run: engines and services, each with the probe that says it serves."""

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import asyncpg
import httpx

from libs.common.eventlog.base import LogUnavailable
from libs.common.eventlog.jetstream import connect
from libs.devstack import nats, postgres
from libs.devstack.child import NotReady, Spec
from libs.devstack.credentials import write_private
from libs.devstack.privileges import postgres_identity
from libs.devstack.provision import SERVICE_NAMES
from libs.devstack.stack import Stack
from libs.devstack.state import MARK
from libs.devstack.table import HOST, Process

CODE = Path(__file__).resolve().parents[2]


def nats_spec(stack: Stack) -> Spec:
    """nats-server, its configuration written anew."""
    configuration = stack.layout.nats / "nats.conf"
    text = nats.config(
        listen=f"{HOST}:{stack.nats_port}",
        store=str(stack.layout.nats),
        partitions=stack.partitions,
        users=SERVICE_NAMES,
        passwords=stack.credentials,
    )
    write_private(configuration, text.encode())

    async def probe() -> None:
        try:
            async with connect(stack.nats_url(nats.OPERATOR), "wanliu probe", patience=0.5) as client:
                await client.jetstream(timeout=1).account_info()
        except (LogUnavailable, TimeoutError, OSError) as error:
            raise NotReady(f"it does not answer on port {stack.nats_port} ({error})") from error

    return Spec(
        name="nats",
        command=(str(nats.binary()), "--config", str(configuration)),
        environment=_engine_environment(stack),
        port=stack.nats_port,
        directory=stack.layout.nats,
        log=stack.layout.log("nats"),
        probe=probe,
    )


def postgres_spec(stack: Stack) -> Spec:
    """PostgreSQL on an initialised cluster, its configuration written anew."""
    cluster, programs = stack.layout.postgres, postgres.binaries()
    identity = postgres_identity([cluster, programs / "postgres"])
    files = {
        "postgresql.conf": postgres.settings(stack.postgres_port),
        "pg_hba.conf": postgres.access(postgres.schemas(SERVICE_NAMES)),
    }
    for name, text in files.items():
        write_private(cluster / name, text.encode())
        os.chown(cluster / name, identity.uid, identity.gid)

    async def probe() -> None:
        try:
            await (await stack.postgres.connect()).close()
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            raise NotReady(f"it does not answer on port {stack.postgres_port} ({error})") from error

    return Spec(
        name="postgres",
        command=(str(programs / "postgres"), "-D", str(cluster)),
        environment=_engine_environment(stack),
        port=stack.postgres_port,
        directory=cluster,
        log=stack.layout.log("postgres"),
        probe=probe,
        stop=signal.SIGINT,  # "fast": ends sessions, then writes everything out
        identity=identity,
    )


def service_spec(stack: Stack, process: Process, client: httpx.AsyncClient) -> Spec:
    """A service process, ready when its /readyz says so."""
    port = stack.port(process)
    url = f"http://{HOST}:{port}/readyz"

    async def probe() -> None:
        try:
            answer = await client.get(url)
        except httpx.HTTPError as error:
            raise NotReady(f"{url} does not answer ({type(error).__name__})") from error
        if answer.status_code != 200:
            raise NotReady(f"{url} says {answer.status_code}: {answer.text[:500]}")

    return Spec(
        name=process.name,
        command=process.command(sys.executable, HOST, port),
        environment={**_service_environment(stack), **stack.environment(process)},
        port=port,
        directory=stack.layout.root,
        log=stack.layout.log(process.name),
        probe=probe,
    )


def _engine_environment(stack: Stack) -> Mapping[str, str]:
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", MARK: str(stack.layout.root)}


def _service_environment(stack: Stack) -> Mapping[str, str]:
    """Ours, less any WANLIU_ setting of the caller's shell; children import the code that we are."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("WANLIU_")}
    return {**ours, "PYTHONPATH": str(CODE), "TZ": "UTC", MARK: str(stack.layout.root)}
