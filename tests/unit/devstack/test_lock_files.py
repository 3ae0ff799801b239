"""The locks: made from the dependencies as they are, without addresses."""

import pytest

from scripts import lock

PYPROJECT = """
[project]
requires-python = ">=3.11"
dependencies = ["a>=1"]
[project.optional-dependencies]
x = ["b"]
"""


def made(pyproject: str, body: str = "a==1 \\\n    --hash=sha256:00\n") -> str:
    return f"{lock.MARK}{lock.fingerprint(pyproject)}\n# note\n{body}"


def test_the_locks_of_this_tree_are_fresh() -> None:
    pyproject = (lock.ROOT / "pyproject.toml").read_text()
    assert [lock.problem(name, (lock.ROOT / name).read_text(), pyproject) for name in lock.LOCKS] == [""] * len(
        lock.LOCKS
    )


@pytest.mark.parametrize("change", [('"a>=1"', '"a>=2"'), ('x = ["b"]', 'x = ["b", "c"]'), (">=3.11", ">=3.12")])
def test_a_changed_dependency_makes_a_lock_stale(change: tuple[str, str]) -> None:
    assert lock.problem("l", made(PYPROJECT), PYPROJECT) == ""
    assert "run `make lock`" in lock.problem("l", made(PYPROJECT), PYPROJECT.replace(*change))


def test_an_unrelated_change_of_pyproject_leaves_a_lock_fresh() -> None:
    assert lock.problem("l", made(PYPROJECT), PYPROJECT + "\n[tool.x]\ny = 1\n") == ""


@pytest.mark.parametrize("line", ["--index-url somewhere", "a @ " + "https" + "://host/a.whl", "-i somewhere"])
def test_an_address_in_a_lock_is_refused(line: str) -> None:
    assert "names an address" in lock.problem("l", made(PYPROJECT, f"{line}\n"), PYPROJECT)
