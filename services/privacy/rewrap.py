"""`python -m services.privacy.rewrap`: a fresh key-encryption key for every workspace, now.

The worker does this by itself before a KEK is 30 days old. Run it by hand when a KEK may have been seen, and
after a backup of the vault's directory was destroyed.
"""

import asyncio

from libs.common.clock import SystemClock
from libs.common.db import open_engine
from services.privacy import store
from services.privacy.keyring import Keyring
from services.privacy.resources import SCHEMA
from services.privacy.rotation import rotate
from services.privacy.settings import PrivacySettings


async def rewrap(settings: PrivacySettings) -> list[str]:
    """Rotates the KEK of every workspace and returns their names. Running processes go on."""
    async with open_engine(settings.vault_database_url, SCHEMA) as engine:
        ring = Keyring(engine, settings.vault_dir, SystemClock())
        async with engine.connect() as connection:
            names = await store.workspaces(connection)
        for workspace in names:
            await rotate(ring, workspace)
    return names


if __name__ == "__main__":
    for name in asyncio.run(rewrap(PrivacySettings())):
        print(f"rotated {name}")
