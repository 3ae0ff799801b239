"""docker-compose.yml and deploy/k8s describe exactly the processes that the supervisor starts."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from libs.devstack.deployment import files, validate
from libs.devstack.table import Process, processes

ROOT = Path(__file__).resolve().parents[3]
TABLE = {process.name: process for process in processes()}


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return {name: service for name, service in found.items() if name not in ("nats", "postgres", "provision")}


def containers() -> dict[str, Any]:
    pods = [
        found["spec"]["template"]["spec"]
        for found in yaml.safe_load_all((ROOT / "deploy/k8s/base/processes.yaml").read_text())
        if found["kind"] in ("Deployment", "StatefulSet")
    ]
    return {container["name"]: container for pod in pods for container in pod["containers"]}


def test_the_files_in_the_tree_are_what_the_table_says() -> None:
    assert files.stale(ROOT) == []


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    files.write(tmp_path)
    path = tmp_path / "docker-compose.yml"
    path.write_text(path.read_text().replace("8101", "8201"))
    assert files.stale(tmp_path) == ["docker-compose.yml"]


def test_both_name_every_process_and_no_other() -> None:
    assert set(compose()) == set(containers()) == set(TABLE)


@pytest.mark.parametrize("process", TABLE.values(), ids=lambda process: process.name)
def test_both_start_a_process_as_the_supervisor_does(process: Process) -> None:
    expected = list(process.command("python", "0.0.0.0", 8100 + process.offset))  # noqa: S104 - a container's own
    assert compose()[process.name]["command"] == expected
    assert containers()[process.name]["command"] == expected


@pytest.mark.parametrize("process", TABLE.values(), ids=lambda process: process.name)
def test_both_tell_a_process_what_the_supervisor_tells_it(process: Process) -> None:
    assert tuple(compose()[process.name]["environment"]) == process.environment
    told = [entry["name"] for entry in containers()[process.name]["env"]]
    assert tuple(name for name in told if name.startswith("WANLIU_")) == process.environment


@pytest.mark.parametrize("process", TABLE.values(), ids=lambda process: process.name)
def test_both_listen_where_the_table_says(process: Process) -> None:
    port = 8100 + process.offset
    assert compose()[process.name]["expose"] == [str(port)]
    assert [each["containerPort"] for each in containers()[process.name]["ports"]] == [port]
    assert containers()[process.name]["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": port}


def test_no_password_stands_in_any_file() -> None:
    for container in containers().values():
        for entry in container["env"]:
            assert "valueFrom" in entry or "PASSWORD" not in entry["name"]
    for service in compose().values():
        assert service["environment"]["WANLIU_DATABASE_URL"].count("${POSTGRES_") == 1


def test_every_reference_points_at_something() -> None:
    assert list(validate.reference_faults(validate.objects(ROOT / "deploy/k8s/base"))) == []


def test_references_to_nothing_are_found() -> None:
    broken = copy.deepcopy(validate.objects(ROOT / "deploy/k8s/base"))
    by_name = {validate.name_of(found): found for found in broken}
    by_name["Service ingest"]["spec"]["ports"][0]["targetPort"] = "nope"
    by_name["Service nats"]["spec"]["selector"] = {"app": "nope"}
    container = by_name["Deployment profile"]["spec"]["template"]["spec"]["containers"][0]
    container["env"][0]["valueFrom"]["secretKeyRef"]["key"] = "NOPE"
    faults = "\n".join(validate.reference_faults(broken))
    assert "Service ingest: its pods have no port nope" in faults
    assert "Service nats: no pod has the labels" in faults
    assert "Deployment profile: secret wanliu-passwords has no key NOPE" in faults
