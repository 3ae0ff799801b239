"""Which campaign brought an event: what the SDK read, else the UTM parameters of the page.

The channel itself is the source's (web, app, social, store, ...); the taxonomy by click ids and referrers
comes with the other doors.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

FIELDS: Mapping[str, str] = {
    "utm_source": "source",
    "utm_medium": "medium",
    "utm_campaign": "name",
    "utm_term": "term",
    "utm_content": "content",
    "utm_id": "id",
}
_NAMES = frozenset(FIELDS.values())
_MAX_VALUE = 256
_MAX_QUERY = 4096


class Attribution(NamedTuple):
    """`medium` as sent; `campaign` holds source, name, term, content and id where known."""

    medium: str
    campaign: dict[str, str]


NOTHING = Attribution("", {})


def attribution_of(context: Mapping[str, Any], properties: Mapping[str, Any]) -> Attribution:
    """From `context.campaign`, else from the query of the page (context or properties)."""
    found = _stated(context.get("campaign")) or _from_page(context.get("page")) or _from_page(properties)
    if not found:
        return NOTHING
    return Attribution(found.pop("medium", ""), found)


def _stated(campaign: Any) -> dict[str, str]:
    if not isinstance(campaign, dict):
        return {}
    return {
        name: text[:_MAX_VALUE] for name, text in campaign.items() if name in _NAMES and isinstance(text, str) and text
    }


def _from_page(page: Any) -> dict[str, str]:
    if not isinstance(page, Mapping):
        return {}
    for field in ("search", "url"):
        text = page.get(field)
        if isinstance(text, str) and "utm_" in text:
            return _from_query(text)
    return {}


def _from_query(text: str) -> dict[str, str]:
    query = text.partition("?")[2].partition("#")[0][:_MAX_QUERY]
    pairs = parse_qsl(query, errors="replace")
    return {FIELDS[key]: value[:_MAX_VALUE] for key, value in pairs if key in FIELDS and value}
