"""`python -m libs.devstack.deployment [check | write | secrets DIRECTORY]`, see deploy/README.md."""

import secrets
import sys
from pathlib import Path

from libs.devstack.credentials import new_token_keys, write_private
from libs.devstack.deployment import addresses, files, validate

ROOT = Path(__file__).resolve().parents[3]


def check() -> list[str]:
    """Everything that is wrong with the deployment files."""
    stale = [f"{path} is not what the process table says: run `make deployment`" for path in files.stale(ROOT)]
    found = validate.objects(ROOT / "deploy/k8s/base")
    return [*stale, *validate.schema_faults(ROOT), *validate.reference_faults(found)]


def write_secrets(directory: Path) -> None:
    """Fresh passwords and token keys for a deployment; what is there already stays."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    passwords = directory / "passwords.env"
    if not passwords.exists():
        names = [*addresses.nats_passwords(), *addresses.postgres_passwords()]
        write_private(passwords, "".join(f"{name}={_password()}\n" for name in names).encode())
    if not (directory / "token_private.pem").exists():
        private, public = new_token_keys()
        write_private(directory / "token_private.pem", private)
        write_private(directory / "token_public.pem", public)
        (directory / "token_public.pem").chmod(0o644)  # containers read it as their own user


def _password() -> str:
    """Letters first: nats-server would read a variable that looks like a number as one."""
    return f"wl{secrets.token_hex(24)}"


def main(arguments: list[str]) -> int:
    """0 when done, 1 when something is wrong."""
    match arguments or ["check"]:
        case ["write"]:
            files.write(ROOT)
        case ["secrets", directory]:
            write_secrets(Path(directory))
        case ["check"]:
            faults = check()
            print("\n".join(faults) or "deployment files: as the process table says, valid", file=sys.stderr)
            return 1 if faults else 0
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
