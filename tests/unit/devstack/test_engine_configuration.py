"""The engines' configuration: durable, closed to everyone but those named, and each allowed its own part only."""

import json
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from libs.common.contracts.events import MAX_ENTRY_BYTES
from libs.common.contracts.stitched import MAX_MOVED, Facts, Moved
from libs.common.contracts.vault import BindRequest, Identifier
from libs.common.identifiers import MAX_LENGTH
from libs.common.vault_client import MAX_SETS
from libs.devstack import nats, postgres
from libs.devstack.provision import SERVICE_NAMES
from services.ingest.identifiers import MAX_IDENTIFIERS


class Passwords:
    def password(self, engine: str, user: str) -> str:
        return f"{engine}-{user}-secret"


def nats_config(store: Path, partitions: int = 1) -> str:
    return nats.config(
        listen="127.0.0.1:4222",
        store=str(store),
        partitions=partitions,
        users=SERVICE_NAMES,
        passwords=Passwords(),
    )


def may_publish(service: str, partitions: int = 1) -> list[str]:
    found: Any = nats.permissions(service, partitions)["publish"]
    return list(found)


def test_nats_server_accepts_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "nats.conf"
    path.write_text(nats_config(tmp_path))
    subprocess.run([nats.binary(), "-t", "-c", str(path)], check=True, capture_output=True)


def test_the_broker_syncs_before_it_acknowledges_and_listens_on_loopback_only(tmp_path: Path) -> None:
    config = json.loads(nats_config(tmp_path))
    assert config["jetstream"]["sync_interval"] == "always"
    assert config["listen"].startswith("127.0.0.1:")
    assert config["max_payload"] == 16 * 1024 * 1024


def test_every_user_of_the_broker_has_a_password_of_its_own(tmp_path: Path) -> None:
    users = json.loads(nats_config(tmp_path))["accounts"]["WANLIU"]["users"]
    assert [user["user"] for user in users] == ["operator", *SERVICE_NAMES]
    assert len({user["password"] for user in users}) == len(users)


def test_only_identity_writes_stitched_and_it_may_not_ask_for_keys() -> None:
    writers = [service for service in SERVICE_NAMES if "stitched.0" in may_publish(service)]
    assert writers == ["identity"]
    assert not [subject for subject in may_publish("identity") if subject.startswith("vault.")]


def test_no_service_may_make_change_or_empty_a_stream() -> None:
    for service in SERVICE_NAMES:
        for forbidden in ("STREAM.CREATE", "STREAM.UPDATE", "STREAM.DELETE", "STREAM.PURGE", "STREAM.MSG.DELETE"):
            assert not [subject for subject in may_publish(service) if forbidden in subject], service
        assert not [subject for subject in may_publish(service) if subject in (">", "$JS.>", "$JS.API.>")], service


def test_no_service_listens_to_what_another_is_answered() -> None:
    for service in SERVICE_NAMES:
        listens: Any = nats.permissions(service, 1)["subscribe"]
        assert f"_INBOX.{service}.>" in listens
        assert "_INBOX.>" not in listens


def test_permissions_grow_with_the_partitions() -> None:
    assert {"events.0", "events.1", "events.2"} <= set(may_publish("ingest", partitions=3))
    assert "events.1" not in may_publish("ingest", partitions=1)


@pytest.mark.parametrize(("text", "expected"), [("nats-server: v2.15.1\n", (2, 15)), ("nats-server: v2.9.10", (2, 9))])
def test_the_version_of_nats_server_is_read_as_numbers(text: str, expected: tuple[int, ...]) -> None:
    assert nats.version(text) == expected


def test_postgresql_is_durable_and_logs_no_statement() -> None:
    lines = postgres.settings(5432).splitlines()
    for setting in (
        *("fsync = 'on'", "synchronous_commit = 'on'", "full_page_writes = 'on'", "listen_addresses = '127.0.0.1'"),
        *(
            "log_min_error_statement = 'panic'",
            "log_error_verbosity = 'terse'",
            "log_parameter_max_length_on_error = '0'",
        ),
    ):
        assert setting in lines


def test_nobody_enters_postgresql_without_a_password_and_no_service_enters_the_vault() -> None:
    rows = [line.split() for line in postgres.access(postgres.schemas(SERVICE_NAMES)).splitlines()]
    assert {row[-1] for row in rows} == {"scram-sha-256"}
    assert {row[3] for row in rows} == {"127.0.0.1/32"}
    assert [row[2] for row in rows if row[1] == "vault"] == ["vault"]


def test_the_cluster_has_checksums_and_sorts_without_the_machine_s_libraries(tmp_path: Path) -> None:
    command = postgres.initdb_command(tmp_path, tmp_path / "cluster", tmp_path / "password")
    assert "--data-checksums" in command
    assert command[command.index("--locale-provider") + 1] == "builtin"
    assert command[command.index("--auth") + 1] == "scram-sha-256"


def test_the_largest_request_to_the_vault_fits_into_a_message() -> None:
    """Else a few clients with long identifiers would make everybody's requests fail."""
    widest = Identifier("wechat_unionid", "\N{CJK UNIFIED IDEOGRAPH-20000}" * MAX_LENGTH)
    request = BindRequest("default", [[widest] * MAX_IDENTIFIERS] * MAX_SETS)
    assert len(msgspec.msgpack.encode(request)) < nats.MAX_PAYLOAD


def test_the_longest_list_of_moved_bindings_fits_into_a_message_beside_its_entry() -> None:
    moved = [Moved(bytes(16), bytes(16), bytes(16))] * MAX_MOVED
    assert len(msgspec.msgpack.encode(Facts(moved=moved))) + MAX_ENTRY_BYTES < nats.MAX_PAYLOAD / 4
