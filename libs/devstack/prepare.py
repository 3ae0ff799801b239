"""What must be there before the engines start: free ports, secrets, an empty cluster."""

import errno
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import psutil

from libs.devstack import nats, postgres
from libs.devstack.child import launch_command
from libs.devstack.credentials import ensure_token_keys
from libs.devstack.errors import StackError
from libs.devstack.privileges import postgres_identity
from libs.devstack.provision import SERVICE_NAMES
from libs.devstack.stack import Stack
from libs.devstack.table import HOST


def refuse_taken_ports(stack: Stack) -> None:
    """Raises StackError that names every port of the stack that somebody else listens on."""
    taken = [f"{port} ({name}{_holder(port)})" for name, port in stack.ports().items() if not is_free(port)]
    if taken:
        raise StackError(
            f"already in use on {HOST}: port {', '.join(taken)}. "
            "Stop what listens there, or choose other ports with --port-base"
        )


def is_free(port: int) -> bool:
    """Whether we could listen on a port of the loopback address. Raises StackError where we may not."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise StackError(f"port {port} cannot be used ({error.strerror}): choose others with --port-base") from None
    return True


def _holder(port: int) -> str:
    """`, held by NAME, pid N` where the system tells."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr[1:2] == (port,) and connection.pid:
                return f", held by {psutil.Process(connection.pid).name()}, pid {connection.pid}"
    except psutil.Error:
        return ""
    return ""


def make_directory(stack: Stack) -> None:
    """The data directory with its secrets and an empty cluster, where they are missing."""
    ensure_token_keys(stack.layout)
    roles = [schema.role for schema in postgres.schemas(SERVICE_NAMES)]
    stack.credentials.ensure(f"nats/{user}" for user in (nats.OPERATOR, *SERVICE_NAMES))
    stack.credentials.ensure(f"postgres/{user}" for user in (postgres.SUPERUSER, *roles))
    if not (stack.layout.postgres / "PG_VERSION").exists():
        _make_cluster(stack)


def _make_cluster(stack: Stack) -> None:
    """Makes the cluster beside its place and moves it there, so that there is a whole one or none."""
    programs, layout = postgres.binaries(), stack.layout
    fresh = layout.root / "postgres.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    identity = postgres_identity([fresh, programs / "initdb"])
    with tempfile.NamedTemporaryFile("w", dir=layout.root) as password:
        password.write(stack.credentials.password("postgres", postgres.SUPERUSER))
        password.flush()
        for path in (str(fresh), password.name):
            os.chown(path, identity.uid, identity.gid)
        command = postgres.initdb_command(programs, fresh, Path(password.name))
        done = subprocess.run(  # noqa: S603 - our own program and arguments
            launch_command(command, signal.SIGTERM, identity),
            cwd=fresh,
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        raise StackError(f"PostgreSQL's initdb failed:\n{(done.stderr or done.stdout).strip()}")
    fresh.rename(layout.postgres)
