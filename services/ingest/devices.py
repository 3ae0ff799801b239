"""The family of a device: enough to tell a phone from a desktop, too little to tell one phone from another."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

# First match wins. Apps come before the browsers that they imitate.
_FAMILIES = (
    ("tablet", ("iPad", "Tablet", "PlayBook", "Silk/")),
    ("phone", ("iPhone", "iPod", "Mobile", "HarmonyOS", "OpenHarmony")),
    ("tv", ("SmartTV", "SMART-TV", "AppleTV", "HbbTV")),
    ("tablet", ("Android",)),  # Android without "Mobile"
    ("desktop", ("Windows NT", "Macintosh", "X11", "CrOS")),
)
_SYSTEMS = (
    ("HarmonyOS", ("HarmonyOS", "OpenHarmony")),
    ("Android", ("Android",)),
    ("iOS", ("iPhone", "iPad", "iPod")),
    ("Windows", ("Windows",)),
    ("macOS", ("Macintosh", "Mac OS X")),
    ("Linux", ("Linux", "X11")),
)
_CLIENTS = (
    ("wecom", ("wxwork",)),
    ("wechat_mini_program", ("miniProgram",)),
    ("wechat", ("MicroMessenger",)),
    ("douyin", ("aweme", "BytedanceWebview")),
    ("alipay", ("AlipayClient",)),
    ("weibo", ("Weibo",)),
    ("dingtalk", ("DingTalk",)),
    ("qq", ("QQ/",)),
    ("edge", ("Edg/", "EdgA/")),
    ("firefox", ("Firefox/", "FxiOS")),
    ("chrome", ("Chrome/", "CriOS", "HeadlessChrome")),
    ("safari", ("Safari/",)),
)
_TYPES = {"ios": "phone", "android": "phone", "phone": "phone", "mobile": "phone", "tablet": "tablet"}


def device_of(context: Mapping[str, Any]) -> dict[str, str]:
    """`family`, `os` and `client` where they can be told from what the SDK or the user agent says."""
    agent = context.get("userAgent")
    found = dict(_from_agent(agent[:512])) if isinstance(agent, str) else {}
    device, system = context.get("device"), context.get("os")
    if isinstance(device, dict) and isinstance(kind := device.get("type"), str) and kind.lower() in _TYPES:
        found.setdefault("family", _TYPES[kind.lower()])
    if isinstance(system, dict) and isinstance(name := system.get("name"), str) and name:
        found["os"] = name[:32]
    return found


@lru_cache(maxsize=1024)
def _from_agent(agent: str) -> tuple[tuple[str, str], ...]:
    told = (("family", _FAMILIES), ("os", _SYSTEMS), ("client", _CLIENTS))
    return tuple((what, found) for what, table in told if (found := _first(agent, table)))


def _first(agent: str, table: tuple[tuple[str, tuple[str, ...]], ...]) -> str:
    for name, marks in table:
        if any(mark in agent for mark in marks):
            return name
    return ""
