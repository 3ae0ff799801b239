"""What the privacy processes are told by their environment."""

from pathlib import Path

from pydantic import Field

from libs.common.settings import Settings


class PrivacySettings(Settings):
    """The vault's own database, and the directory of its key files (a volume of its own in production)."""

    vault_database_url: str = Field(repr=False)
    vault_dir: Path
    suite: str = "intl-v1"
