"""Showing what is personal: the audit entry is in the log before a value leaves."""

from collections.abc import Sequence

from libs.common.contracts.events import EVENTS, Pseudonym, Revealed
from libs.common.errors import Unavailable
from libs.common.eventlog.base import LogFull, LogUnavailable, events_stream
from libs.common.ids import new_id
from services.profile.asking import Ask


async def note(ask: Ask, customer: bytes, names: Sequence[str]) -> None:
    """Appends who is about to see what, durably. Raises Unavailable, and then nothing may be shown."""
    entry = Revealed(
        ask.caller.workspace, ask.opened.clock.now(), ask.caller.subject, customer, ask.purpose, list(names)
    )
    try:
        await ask.opened.log.append(events_stream(ask.partition), EVENTS.encode(entry), message_id=new_id())
    except (LogUnavailable, LogFull) as error:
        raise Unavailable("the log did not take the audit entry, so nothing is revealed; ask again") from error


async def reveal_identifiers(ask: Ask, pseudonyms: Sequence[Pseudonym]) -> dict[bytes, str]:
    """The values by pseudonym; without those that are being forgotten."""
    distinct = list(dict.fromkeys(each.id for each in pseudonyms))
    found = await ask.opened.vault.reveal(distinct)
    return {key: identifier.value for key, identifier in zip(distinct, found, strict=True) if identifier is not None}
