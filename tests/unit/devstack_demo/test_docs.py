"""What the documents name must exist."""

import re
from pathlib import Path

import pytest
import typer

from libs.common.identifiers import KINDS
from libs.devstack.cli import app
from libs.devstack.table import SERVICES

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted([ROOT / "README.md", ROOT / "README.zh-CN.md", *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
NAMED = re.compile(r"`wanliu ([a-z]+)(?: (create|list|delete|issue|erase|status)\b)?")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    missing = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_exists(page: Path) -> None:
    command = typer.main.get_command(app)
    assert isinstance(command, typer.core.TyperGroup)
    for word, sub in NAMED.findall(page.read_text()):
        found = command.commands.get(word)
        assert found is not None, f"wanliu {word}"
        assert not sub or not hasattr(found, "commands") or sub in found.commands, f"wanliu {word} {sub}"


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "adr").glob("*.md")), ids=name)
def test_a_decision_fits_on_a_page(page: Path) -> None:
    text = page.read_text()
    assert len(text.splitlines()) <= 40
    assert all(part in text for part in ("**Context.**", "**Decision.**", "**Consequences.**"))


def test_decisions_are_numbered_without_a_gap() -> None:
    numbers = [int(page.name[:4]) for page in sorted((ROOT / "docs" / "adr").glob("*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))


def test_the_documents_know_every_kind_of_identifier_and_every_service() -> None:
    architecture = (ROOT / "docs" / "architecture.md").read_text()
    assert all(f"`{kind}`" in architecture for kind in KINDS)
    assert all(f"`services/{service.name}`" in architecture for service in SERVICES)


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_a_readme_names_every_service(readme: str) -> None:
    text = (ROOT / readme).read_text()
    [row] = [line for line in text.splitlines() if line.startswith("| `services/` |")]
    assert all(f"`{service.name}`" in row for service in SERVICES)
