"""docker-compose.yml: every process on one machine, in containers."""

from typing import Any

from libs.devstack.deployment import addresses
from libs.devstack.deployment.addresses import DIRECTORIES, NATS_IMAGE, POSTGRES_IMAGE, TOKEN_PUBLIC_KEY
from libs.devstack.provision import password_variable
from libs.devstack.table import HOST, Process, processes

ENGINES = "./deploy/k8s/base/engines"
INITDB = "--data-checksums --locale=C --locale-provider=builtin --builtin-locale=C.UTF-8 --auth=scram-sha-256"
HARDENED: dict[str, Any] = {
    "restart": "unless-stopped",
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
}


def document() -> dict[str, Any]:
    """The whole file."""
    return {
        "name": "wanliu",
        "services": {
            "nats": _nats(),
            "postgres": _postgres(),
            "provision": _provision(),
            **{process.name: _process(process) for process in processes()},
        },
        "volumes": {"nats": {}, "postgres": {}, **{name: {} for name in DIRECTORIES}},
        "secrets": {"token_public.pem": {"file": "./deploy/secrets/token_public.pem"}},
    }


def _required(variable: str) -> str:
    return f"${{{variable}:?make deploy-secrets writes it}}"


def _nats() -> dict[str, Any]:
    return {
        "image": NATS_IMAGE,
        "command": ["--config", "/etc/nats/wanliu.conf"],
        "environment": {name: _required(name) for name in addresses.nats_passwords()},
        "volumes": [f"{ENGINES}/nats.conf:/etc/nats/wanliu.conf:ro", "nats:/data"],
        **HARDENED,
    }


def _postgres() -> dict[str, Any]:
    directory = "/etc/wanliu"
    return {
        "image": POSTGRES_IMAGE,
        "command": [
            *("postgres", "-c", f"config_file={directory}/postgresql.conf"),
            *("-c", f"hba_file={directory}/pg_hba.conf"),
        ],
        "environment": {
            "POSTGRES_PASSWORD": _required(password_variable("postgres", "postgres")),
            "POSTGRES_INITDB_ARGS": INITDB,
        },
        "volumes": [f"{ENGINES}:{directory}:ro", "postgres:/var/lib/postgresql"],
        "shm_size": "256m",
        "stop_signal": "SIGINT",
        "stop_grace_period": "60s",
        "restart": "unless-stopped",
    }


def _provision() -> dict[str, Any]:
    variables = [*addresses.nats_passwords(), *addresses.postgres_passwords()]
    return {
        **_built(None),
        **HARDENED,
        "restart": "no",
        "command": ["python", "-P", "-m", "libs.devstack.provision"],
        "environment": {
            **{name: _required(name) for name in variables},
            "WANLIU_POSTGRES": f"postgres:{addresses.POSTGRES_PORT}",
            "WANLIU_NATS": f"nats:{addresses.NATS_PORT}",
            "WANLIU_PARTITIONS": addresses.SETTINGS["WANLIU_PARTITIONS"],
        },
        "depends_on": ["nats", "postgres"],
    }


def _process(process: Process) -> dict[str, Any]:
    port = addresses.port(process)
    service = {
        **_built(process.service.extra),
        **HARDENED,
        "command": addresses.command(process),
        "environment": dict(addresses.environment(process, _required)),
        "secrets": [{"source": "token_public.pem", "target": TOKEN_PUBLIC_KEY}],
        "expose": [str(port)],
        "depends_on": {"provision": {"condition": "service_completed_successfully"}},
        "healthcheck": {
            "test": ["CMD", "python", "-c", _probe(port)],
            "interval": "5s",
            "timeout": "3s",
            "start_period": "30s",
        },
    }
    if process.serves:
        service["ports"] = [f"{HOST}:{port}:{port}"]
    if volume := process.service.volume:
        service["volumes"] = [f"{volume}:{DIRECTORIES[volume]}"]
    return service


def _probe(port: int) -> str:
    return f"import urllib.request; urllib.request.urlopen('http://{HOST}:{port}/readyz', timeout=2)"


def _built(extra: str | None) -> dict[str, Any]:
    return {
        "image": addresses.image(extra),
        "build": {"context": ".", "dockerfile": "deploy/Dockerfile", "args": {"EXTRA": extra or "base"}},
    }
