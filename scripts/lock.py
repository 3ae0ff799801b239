"""`make lock` and its check: requirements.lock holds every dependency of every extra, with hashes.

    python scripts/lock.py write     resolves anew (needs the package index)
    python scripts/lock.py check     whether the lock was made from pyproject.toml as it is (needs nothing)

The lock names no index: where packages come from is the installer's own configuration.
"""

import hashlib
import json
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
MARK = "# made from pyproject.toml dependencies, sha256 "
UV = (
    *("uv", "pip", "compile", "pyproject.toml", "--all-extras", "--universal", "--python-version", "3.11"),
    *("--generate-hashes", "--no-emit-index-url", "--no-annotate", "--no-header", "--quiet"),
)


def fingerprint(pyproject: str) -> str:
    """The hash of all that decides which packages are needed."""
    project = tomllib.loads(pyproject)["project"]
    wanted = [project["requires-python"], project["dependencies"], project["optional-dependencies"]]
    return hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()


def problem(lock: str, pyproject: str) -> str:
    """What is wrong with a lock; empty when nothing is."""
    if f"{MARK}{fingerprint(pyproject)}" not in lock.splitlines()[:2]:
        return "requirements.lock is older than pyproject.toml's dependencies: run `make lock` and commit it"
    unwanted = [line for line in lock.splitlines() if "://" in line or line.startswith(("-i", "--index", "--extra"))]
    return f"requirements.lock names an address: {unwanted[0]}" if unwanted else ""


def write(pyproject: str) -> None:
    """Resolves and replaces the lock."""
    resolved = subprocess.run(  # noqa: S603 - constant arguments
        [Path(sys.executable).parent / UV[0], *UV[1:]], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    header = f"{MARK}{fingerprint(pyproject)}\n# written by `make lock`; do not edit\n"
    LOCK.write_text(header + resolved)


def main(action: str) -> int:
    """0 when done, 1 with a message otherwise."""
    pyproject = (ROOT / "pyproject.toml").read_text()
    if action == "write":
        write(pyproject)
    found = problem(LOCK.read_text() if LOCK.exists() else "", pyproject)
    if found:
        print(found, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
