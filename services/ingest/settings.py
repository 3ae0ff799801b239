"""What the front door is told by its environment, beside the shared settings (prefix WANLIU_)."""

from libs.common.settings import Settings

KIB = 1024


class IngestSettings(Settings):
    """Limits of the doors and of the group commit."""

    ingest_event_bytes: int = 32 * KIB
    ingest_batch_bytes: int = 500 * KIB
    # SDKs weigh their events before they wrap them, so that a full batch is a little over the limit.
    ingest_batch_slack_bytes: int = 64 * KIB
    ingest_batch_events: int = 2_500
    ingest_reading_bytes: int = 64 * KIB * KIB
    ingest_queue_events: int = 20_000
    ingest_queue_bytes: int = 64 * KIB * KIB
    ingest_window_ms: float = 2.0
    ingest_append_seconds: float = 8.0
    ingest_source_cache_seconds: float = 3.0
    ingest_tails: int = 16

    @property
    def body_bytes(self) -> int:
        """The largest body that is read, before and after decompression."""
        return self.ingest_batch_bytes + self.ingest_batch_slack_bytes
