"""`make lock` and its check: every dependency pinned, with hashes.

    python scripts/lock.py write     resolves anew (needs the package index)
    python scripts/lock.py check     whether the locks were made from pyproject.toml as it is (needs nothing)

requirements.lock is what `make install` installs: all extras. From the same resolution, an image of each service
extra gets its own lock, and so do the schemas that only `make check` needs. No lock names an index: where packages
come from is the installer's own configuration.
"""

import hashlib
import json
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EVERYTHING = "requirements.lock"
LOCKS: dict[str, tuple[str, ...]] = {
    EVERYTHING: ("--all-extras",),
    "requirements-check.lock": ("--group", "schemas"),
    "deploy/image/base.lock": (),
    "deploy/image/ingest.lock": ("--extra", "ingest"),
    "deploy/image/insights.lock": ("--extra", "insights"),
}
MARK = "# made from pyproject.toml dependencies, sha256 "
UV = (
    *("uv", "pip", "compile", "pyproject.toml", "--universal", "--python-version", "3.11"),
    *("--generate-hashes", "--no-emit-index-url", "--no-annotate", "--no-header", "--quiet"),
)


def fingerprint(pyproject: str) -> str:
    """The hash of all that decides which packages are needed."""
    told = tomllib.loads(pyproject)
    project = told["project"]
    wanted = [
        *(project["requires-python"], project["dependencies"], project["optional-dependencies"]),
        told.get("dependency-groups", {}),
    ]
    return hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()


def problem(name: str, lock: str, pyproject: str) -> str:
    """What is wrong with a lock; empty when nothing is."""
    if f"{MARK}{fingerprint(pyproject)}" not in lock.splitlines()[:2]:
        return f"{name} is older than pyproject.toml's dependencies: run `make lock` and commit it"
    unwanted = [line for line in lock.splitlines() if "://" in line or line.startswith(("-i", "--index", "--extra"))]
    return f"{name} names an address: {unwanted[0]}" if unwanted else ""


def write(pyproject: str) -> None:
    """Resolves and replaces the locks; all others keep to what the first one says."""
    header = f"{MARK}{fingerprint(pyproject)}\n# written by `make lock`; do not edit\n"
    for name, choice in LOCKS.items():
        together = () if name == EVERYTHING else ("--constraint", EVERYTHING)
        resolved = subprocess.run(  # noqa: S603 - constant arguments
            [Path(sys.executable).parent / UV[0], *UV[1:], *choice, *together],
            cwd=ROOT,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
        (ROOT / name).write_text(header + resolved)


def main(action: str) -> int:
    """0 when done, 1 with a message otherwise."""
    pyproject = (ROOT / "pyproject.toml").read_text()
    if action == "write":
        write(pyproject)
    texts = {name: (ROOT / name).read_text() if (ROOT / name).exists() else "" for name in LOCKS}
    problems = [found for name, text in texts.items() if (found := problem(name, text, pyproject))]
    for found in problems:
        print(found, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
