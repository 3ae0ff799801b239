"""What every process is told by its environment. Secrets have no defaults."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Settings shared by all processes; a service adds its own in `services/<name>/settings.py`."""

    model_config = SettingsConfigDict(env_prefix="WANLIU_", extra="ignore")

    nats_url: str = Field(repr=False)
    database_url: str = Field(repr=False)
    token_public_key_file: Path
    partitions: int = 1
    workspace: str = "default"
    log_level: str = "INFO"
