"""The engines' configuration files of a deployment: the embedded ones, but for addresses and passwords."""

import re

from libs.devstack import nats, postgres
from libs.devstack.deployment.addresses import NATS_PORT, POSTGRES_PORT, SETTINGS
from libs.devstack.provision import SERVICE_NAMES, password_variable

SOCKETS = "/var/run/postgresql"


class _Variables:
    """Passwords as nats-server reads them from its environment."""

    def password(self, engine: str, user: str) -> str:
        """A mark that `nats_configuration` turns into a variable, which must not stand in quotes."""
        return f"<{password_variable(engine, user)}>"


def nats_configuration() -> str:
    """nats.conf: passwords are variables of the server's environment."""
    text = nats.config(
        listen=f"0.0.0.0:{NATS_PORT}",
        store="/data",
        partitions=int(SETTINGS["WANLIU_PARTITIONS"]),
        users=SERVICE_NAMES,
        passwords=_Variables(),
    )
    return re.sub(r'"<([A-Z_]+)>"', r"$\1", text) + "\n"


def postgres_configuration() -> str:
    """postgresql.conf."""
    return postgres.settings(POSTGRES_PORT, listen="*", sockets=SOCKETS)


def postgres_access() -> str:
    """pg_hba.conf: the superuser also on the socket, which the image's own start-up uses."""
    rows = postgres.access(postgres.schemas(SERVICE_NAMES), network="all")
    return f"local all {postgres.SUPERUSER} scram-sha-256\n{rows}"
