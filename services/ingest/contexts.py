"""The part of `context` that is kept: what software and page it was, never the address, the id or the position."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from services.ingest.devices import device_of

MAX_TEXT = 512
_KEPT = {"library": ("name", "version"), "app": ("name", "version")}
_TEXTS = ("locale", "timezone")


def trimmed(context: Mapping[str, Any]) -> dict[str, Any]:
    """`library`, `app`, `page` (path, title, host of the referrer), `locale`, `timezone`, `device` family."""
    found: dict[str, Any] = {}
    for name, fields in _KEPT.items():
        part = context.get(name)
        if isinstance(part, dict) and (texts := _texts(part, fields)):
            found[name] = texts
    found |= _texts(context, _TEXTS)
    page = context.get("page")
    if isinstance(page, dict) and (kept := _page(page)):
        found["page"] = kept
    if device := device_of(context):
        found["device"] = device
    return found


def _texts(fields: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for name in names:
        text = fields.get(name)
        if isinstance(text, str) and text:
            found[name] = text[:MAX_TEXT]
    return found


def _page(page: Mapping[str, Any]) -> dict[str, str]:
    kept = _texts(page, ("path", "title"))
    if "path" not in kept and (path := _part(page.get("url"), "path")):
        kept["path"] = path
    kept["path"] = kept.get("path", "").partition("?")[0].partition("#")[0]
    if host := _part(page.get("referrer"), "hostname"):
        kept["referrer_host"] = host
    return {name: text for name, text in kept.items() if text}


def _part(url: Any, part: str) -> str:
    if not isinstance(url, str) or not url:
        return ""
    try:
        return str(getattr(urlsplit(url[:4096]), part) or "")[:MAX_TEXT]
    except ValueError:  # such as an unclosed [ of an IPv6 host
        return ""
