"""The files that are written from the process table, and whether those in the tree are they."""

from pathlib import Path
from typing import Any

import yaml

from libs.devstack.deployment import compose, engines, kubernetes

NOTE = "# Written by `make deployment` from libs/devstack/table.py; change it there.\n"


class _Plain(yaml.SafeDumper):
    """No anchors for what happens to be the same object, and lists that stand out."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        return super().increase_indent(flow, False)


def _yaml(*documents: Any) -> str:
    return NOTE + yaml.dump_all(documents, Dumper=_Plain, sort_keys=False, width=120, allow_unicode=True)


def wanted() -> dict[str, str]:
    """Every written file by its path in the repository."""
    base = "deploy/k8s/base"
    return {
        "docker-compose.yml": _yaml(compose.document()),
        f"{base}/processes.yaml": _yaml(*kubernetes.documents()),
        f"{base}/engines/nats.conf": engines.nats_configuration(),
        f"{base}/engines/postgresql.conf": engines.postgres_configuration(),
        f"{base}/engines/pg_hba.conf": engines.postgres_access(),
    }


def stale(root: Path) -> list[str]:
    """The files that are not what the process table says."""
    return [path for path, text in wanted().items() if not _is(root / path, text)]


def _is(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


def write(root: Path) -> None:
    """Writes them all."""
    for path, text in wanted().items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
