"""What insights is told by its environment, beside the shared settings (prefix WANLIU_)."""

from pathlib import Path

from libs.common.settings import Settings


class InsightsSettings(Settings):
    """Where the history lives, and bounds of what one question may cost."""

    insights_dir: Path
    """chDB's data, owned by this process alone."""
    insights_smallest_cell: int = 1
    """Figures about fewer customers than this are withheld; 1 shows all."""
    insights_readers: int = 2
    insights_query_seconds: int = 20
    insights_query_bytes: int = 2 * 1024**3
    insights_rest_seconds: float = 0.2
    """Pause after a batch: many small inserts cost more than a moment of delay."""
