from pathlib import Path

import pytest

from tests.postgres import Database
from tests.vaults import VaultProcess


@pytest.fixture
async def vault(database: Database, tmp_path: Path) -> VaultProcess:
    """A vault with an empty workspace."""
    return await VaultProcess(await database("privacy", "vault"), tmp_path / "vault").create()
