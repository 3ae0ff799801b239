"""Families of devices, from the user agents that Chinese channels really send."""

import pytest

from services.ingest.contexts import trimmed
from services.ingest.devices import device_of

WECHAT_IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 "
    "MicroMessenger/8.0.44(0x18002c2f) NetType/WIFI Language/zh_CN"
)


@pytest.mark.parametrize(
    ("agent", "family", "os", "client"),
    [
        (WECHAT_IPHONE, "phone", "iOS", "wechat"),
        (WECHAT_IPHONE + " miniProgram/wx1", "phone", "iOS", "wechat_mini_program"),
        ("Mozilla/5.0 (Linux; Android 13; V2254A) AppleWebKit/537.36 Mobile Safari/537.36 aweme_280500", "phone",
         "Android", "douyin"),
        ("Mozilla/5.0 (Linux; Android 12; SM-T970) AppleWebKit/537.36 Chrome/120 Safari/537.36", "tablet", "Android",
         "chrome"),
        ("Mozilla/5.0 (iPad; CPU OS 16_0 like Mac OS X) Version/16.0 Mobile/15E148 Safari/604.1", "tablet", "iOS",
         "safari"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/120 Safari/537.36 Edg/120", "desktop", "Windows", "edge"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Chrome/120 Safari/537.36", "desktop", "macOS", "chrome"),
        ("Mozilla/5.0 (Phone; OpenHarmony 5.0) ArkWeb/4.1 Mobile", "phone", "HarmonyOS", None),
        ("curl/8.0", None, None, None),
    ],
)  # fmt: skip
def test_a_user_agent_tells_family_system_and_client(
    agent: str, family: str | None, os: str | None, client: str | None
) -> None:
    expected = {"family": family, "os": os, "client": client}
    assert device_of({"userAgent": agent}) == {key: value for key, value in expected.items() if value}


def test_what_the_mobile_sdk_says_is_used_when_there_is_no_user_agent() -> None:
    context = {"device": {"type": "ios", "id": "D1", "model": "iPhone15,2"}, "os": {"name": "iOS", "version": "17"}}
    assert device_of(context) == {"family": "phone", "os": "iOS"}


def test_the_context_keeps_software_and_page_and_drops_what_locates_or_singles_out() -> None:
    context = {
        "ip": "203.0.113.9",
        "library": {"name": "analytics-python", "version": "2.4.0", "secret": "x"},
        "page": {
            "path": "/coats?id=7#top",
            "title": "Coats",
            "url": "https://x.cn/coats?phone=139",
            "referrer": "https://www.baidu.com/s?wd=li+lei",
            "search": "?phone=139",
        },
        "location": {"latitude": 30.2},
        "device": {"id": "D1", "advertisingId": "A1"},
        "locale": "zh-CN",
        "timezone": "Asia/Shanghai",
        "traits": {"name": "x"},
    }
    assert trimmed(context) == {
        "library": {"name": "analytics-python", "version": "2.4.0"},
        "page": {"path": "/coats", "title": "Coats", "referrer_host": "www.baidu.com"},
        "locale": "zh-CN",
        "timezone": "Asia/Shanghai",
    }


@pytest.mark.parametrize("page", [{"url": "http://[", "referrer": "http://["}, {"url": 5}, [], "x", {"path": None}])
def test_a_damaged_page_is_no_page(page: object) -> None:
    assert "page" not in trimmed({"page": page, "library": "x", "locale": 7})
