"""The process table and what follows from it."""

from pathlib import Path

import pytest

from libs.devstack.credentials import Credentials, ensure_token_keys
from libs.devstack.errors import StackError
from libs.devstack.layout import Layout
from libs.devstack.provision import SERVICE_NAMES
from libs.devstack.stack import Stack
from libs.devstack.table import SERVICES, processes


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    layout = Layout.at(tmp_path)
    layout.create()
    credentials = Credentials(layout)
    credentials.ensure(f"{engine}/{user}" for engine in ("nats", "postgres") for user in (*SERVICE_NAMES, "vault"))
    return Stack(layout, credentials, 9000, 2, "default")


def test_a_process_is_told_exactly_the_names_of_the_table(stack: Stack) -> None:
    for process in processes():
        assert tuple(stack.environment(process)) == process.environment


def test_only_privacy_is_told_where_the_vault_is(stack: Stack) -> None:
    told = {process.service.name for process in processes() if "WANLIU_VAULT_DIR" in stack.environment(process)}
    assert told == {"privacy"}


def test_ports_are_the_documented_offsets(stack: Stack) -> None:
    ports = stack.ports()
    offsets = {"ingest": 1, "identity": 2, "profile": 3, "segments": 4, "insights": 5, "privacy": 6}
    offsets |= {"nats": 90, "postgres": 91}
    assert {name: ports[name] - 9000 for name in offsets} == offsets
    workers = {service.name for service in SERVICES if not service.alone}
    assert {f"{name}-worker" for name in workers} == {name for name in ports if name.endswith("-worker")}
    assert all(ports[f"{name}-worker"] == ports[name] + 10 for name in workers)


def test_the_only_owner_of_files_serves_and_reads_the_log_in_one_process(stack: Stack) -> None:
    alone = [process for process in processes() if process.service.name == "insights"]
    assert [(process.name, process.serves, process.reads_log) for process in alone] == [("insights", True, True)]


def test_no_process_logs_requests(stack: Stack) -> None:
    for process in processes():
        command = process.command("python", "127.0.0.1", 1)
        assert "--no-access-log" in command
        assert command[command.index("--host") + 1] == "127.0.0.1"


def test_an_unknown_service_is_answered_with_those_there_are(stack: Stack) -> None:
    with pytest.raises(StackError, match=r"'nope'.*ingest, identity, profile, segments, insights, privacy"):
        stack.url("nope")


def test_an_unknown_scope_is_answered_with_those_there_are(stack: Stack) -> None:
    ensure_token_keys(stack.layout)
    with pytest.raises(StackError, match=r"unknown scope.*profiles:read"):
        stack.token(["profiles:everything"])
