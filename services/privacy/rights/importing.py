"""Existing consents from CSV as it streams in, UTF-8 or GB18030: good rows are taken, bad ones named.

Columns `kind,value,purpose,decision,decided_at,method,notice`, in any order, the last two may be missing. No error
repeats a value.
"""

import codecs
import csv
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

from libs.common.clock import SECOND
from libs.common.contracts.vault import Identifier
from libs.common.errors import BadRequest
from libs.common.identifiers import KINDS, normalise
from services.privacy.rights.recording import RECORDED, UNCHANGED, Decided, Recorder, check_purpose

REQUIRED = ("kind", "value", "purpose", "decision", "decided_at")
CHINA = timezone(timedelta(hours=8))
FUTURE = 300 * SECOND
WINDOW_ROWS = 2_000
MAX_ERRORS = 1_000
MAX_ROW_CHARACTERS = 65_536
SAMPLE_BYTES = 65_536
GRANTED = frozenset({"granted", "grant", "true", "yes", "1", "同意", "授权"})
WITHDRAWN = frozenset({"withdrawn", "withdraw", "denied", "false", "no", "0", "撤回", "拒绝", "不同意"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class RowError(NamedTuple):
    """What is wrong with a row; the header is row 1."""

    row: int
    reason: str


@dataclass
class Imported:
    """What became of the rows."""

    rows: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    errors: list[RowError] = field(default_factory=list)
    position: int = 0

    def fail(self, row: int, reason: str) -> None:
        """Counts a row that was not taken, and says why of the first thousand."""
        self.failed += 1
        if len(self.errors) < MAX_ERRORS:
            self.errors.append(RowError(row, reason))


async def import_consents(
    recorder: Recorder, workspace: str, actor: str, chunks: AsyncIterator[bytes], now: int
) -> Imported:
    """Takes what is right, window by window, each in force before the next is read. Raises BadRequest, Unavailable."""
    done, window = Imported(), list[tuple[int, Decided]]()
    async for number, row in _rows(chunks):
        done.rows += 1
        try:
            window.append((number, decided(row, now)))
        except BadRequest as error:
            done.fail(number, error.detail)
        if len(window) == WINDOW_ROWS:
            await _record(recorder, workspace, actor, window, done)
            window = []
    await _record(recorder, workspace, actor, window, done)
    return done


async def _record(
    recorder: Recorder, workspace: str, actor: str, window: Sequence[tuple[int, Decided]], done: Imported
) -> None:
    if not window:
        return
    recorded = await recorder.record(workspace, actor, [each for _, each in window])
    done.position = max(done.position, recorded.position)
    done.outcomes.update(recorded.outcomes)
    for (number, _), outcome in zip(window, recorded.outcomes, strict=True):
        if outcome not in (RECORDED, UNCHANGED):
            done.fail(number, outcome)


def decided(row: Mapping[str, str], now: int) -> Decided:
    """The decision of a row. Raises BadRequest."""
    kind, purpose = row["kind"].strip(), check_purpose(row["purpose"].strip())
    if kind not in KINDS:
        raise BadRequest(f"`kind` is none; kinds are {', '.join(KINDS)}")
    value = normalise(kind, row["value"])
    if value is None:
        raise BadRequest(f"`value` is no {kind}: empty, malformed or a word for nobody")
    word = row["decision"].strip().lower()
    if word not in GRANTED | WITHDRAWN:
        raise BadRequest("`decision` is granted or withdrawn")
    at = parse_time(row["decided_at"], now)
    method, notice = row.get("method", "").strip() or "import", row.get("notice", "").strip()
    if "\0" in method + notice:
        raise BadRequest("`method` or `notice` holds a character that no database takes")
    return Decided(Identifier(kind, value), purpose, word in GRANTED, at, method, notice)


def parse_time(given: str, now: int) -> int:
    """Microseconds of a date or time; without a zone it is China's. Raises BadRequest, also for the future."""
    try:
        moment = datetime.fromisoformat(given.strip().replace("/", "-"))
        moment = moment if moment.tzinfo else moment.replace(tzinfo=CHINA)
        at = (moment - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        raise BadRequest("`decided_at` is a time such as 2026-01-31T08:00:00Z or 2026-01-31 08:00") from None
    if not 0 < at <= now + FUTURE:
        raise BadRequest("`decided_at` lies in the future or before 1970")
    return min(at, now)


async def _rows(chunks: AsyncIterator[bytes]) -> AsyncIterator[tuple[int, Mapping[str, str]]]:
    number, columns = 0, list[str]()
    async for record in _records(chunks):
        number += 1
        if not columns:
            columns = _columns(record)
        elif any(cell.strip() for cell in record):
            cells = [*record, *[""] * (len(columns) - len(record))]
            yield number, dict(zip(columns, cells, strict=False))
    if not columns:
        raise BadRequest(f"there is no header; columns are {', '.join(REQUIRED)}, method, notice")


def _columns(header: Sequence[str]) -> list[str]:
    columns = [name.strip().lower() for name in header]
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        raise BadRequest(f"the header lacks {', '.join(missing)}; columns are {', '.join(REQUIRED)}, method, notice")
    return columns


async def _records(chunks: AsyncIterator[bytes]) -> AsyncIterator[list[str]]:
    """Cuts the text where a record ends: at a line's end outside of quotes."""
    decoder, text = _Decoder(), ""
    async for chunk in chunks:
        text += decoder.decode(chunk)
        cut = _last_end(text)
        for record in _parsed(text[:cut]):
            yield record
        text = text[cut:]
        if len(text) > MAX_ROW_CHARACTERS:
            raise BadRequest(f"a row has more than {MAX_ROW_CHARACTERS} characters: is a quote not closed?")
    for record in _parsed(text + decoder.decode(b"", final=True)):
        yield record


def _last_end(text: str) -> int:
    """Behind the last line's end before which quotes are balanced."""
    end = at = quotes = 0
    while following := text.find("\n", at) + 1:
        quotes += text.count('"', at, following)
        at = following
        end = end if quotes % 2 else at
    return end


def _parsed(text: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader(text.splitlines(keepends=True), strict=True)
    except csv.Error as error:
        raise BadRequest(f"this is no CSV: {error}") from None


class _Decoder:
    """UTF-8, or GB18030 when what follows the first byte beyond ASCII is no UTF-8.

    Two bytes can be both, so it looks at SAMPLE_BYTES, or all there are, before it decides.
    """

    def __init__(self) -> None:
        self._held = b""
        self._decoder: codecs.IncrementalDecoder | None = None

    def decode(self, chunk: bytes, *, final: bool = False) -> str:
        """The text that is certain so far. Raises BadRequest."""
        if self._decoder is not None:
            return self._decode(self._decoder, chunk, final)
        self._held += chunk
        if self._held.isascii():
            text, self._held = self._held.decode("ascii"), b""
            return text
        if len(self._held) < SAMPLE_BYTES and not final:
            return ""
        self._decoder = codecs.getincrementaldecoder("utf-8-sig" if self._is_utf8(final) else "gb18030")()
        return self._decode(self._decoder, self._held, final)

    def _is_utf8(self, final: bool) -> bool:
        try:
            codecs.getincrementaldecoder("utf-8")().decode(self._held, final)
        except UnicodeDecodeError:
            return False
        return True

    def _decode(self, decoder: codecs.IncrementalDecoder, chunk: bytes, final: bool) -> str:
        try:
            return decoder.decode(chunk, final)
        except UnicodeDecodeError:
            raise BadRequest("the text is neither UTF-8 nor GB18030") from None
