"""What the privacy processes are told by their environment."""

from pathlib import Path

from pydantic import Field

from libs.common.settings import Settings


class PrivacySettings(Settings):
    """The vault's own database, and the directory of its key files (a volume of its own in production)."""

    vault_database_url: str = Field(repr=False)
    vault_dir: Path
    suite: str = "intl-v1"
    privacy_wait_seconds: float = 5.0
    """How long a recorded decision may take until it is in force, before the answer is 503."""
    privacy_erasure_delay_seconds: int = 7 * 86_400
    """Between the confirmation of a deletion and its erasure, unless the confirmation says otherwise."""
