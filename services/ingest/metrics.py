"""Prometheus metrics of the front door. Labels are codes of ours, never a source's, a key's or a person's."""

from collections import Counter as Counts
from collections.abc import Sequence

from prometheus_client import Counter, Gauge, Histogram

from libs.common.contracts.events import Tally

EVENTS = Counter("wanliu_ingest_events", "Events by outcome, counted when durable", ["outcome"])
REJECTS = Counter("wanliu_ingest_rejects", "Refused events by reason", ["reason"])
BLANKED = Counter("wanliu_ingest_blanked", "Personal data blanked in bodies, by sort", ["sort"])
ANSWERS = Counter("wanliu_ingest_answers", "Requests that were not answered 200", ["status"])
ENTRIES = Counter("wanliu_ingest_entries", "Entries appended")
ENTRY_BYTES = Counter("wanliu_ingest_entry_bytes", "Bytes appended")
APPEND_RETRIES = Counter("wanliu_ingest_append_retries", "Appends sent again because no answer came")
QUEUED = Gauge("wanliu_ingest_queued_events", "Events that wait for the log")
PUBLISH_SECONDS = Histogram(
    "wanliu_ingest_publish_seconds",
    "Time from append to PubAck",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
_ACCEPTED, _REJECTED, _SUPPRESSED = (EVENTS.labels(outcome) for outcome in ("accepted", "rejected", "suppressed"))


def entry_written(tallies: Sequence[Tally], size: int) -> None:
    """Counts an entry that is durable."""
    ENTRIES.inc()
    ENTRY_BYTES.inc(size)
    _ACCEPTED.inc(sum(tally.accepted for tally in tallies))
    _REJECTED.inc(sum(tally.rejected for tally in tallies))
    _SUPPRESSED.inc(sum(tally.suppressed for tally in tallies))


def blanked(counts: Counts[str]) -> None:
    """Counts what the scan blanked in one event."""
    for sort, number in counts.items():
        BLANKED.labels(sort).inc(number)
