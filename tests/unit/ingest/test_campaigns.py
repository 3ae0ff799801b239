"""Which campaign brought an event."""

from typing import Any

import pytest

from services.ingest.campaigns import Attribution, attribution_of

SEARCH = "?utm_source=douyin&utm_medium=cpc&utm_campaign=c42&utm_term=%E5%A4%A7%E8%A1%A3"
FROM_SEARCH = Attribution("cpc", {"source": "douyin", "name": "c42", "term": "大衣"})


@pytest.mark.parametrize(
    ("context", "properties", "expected"),
    [
        ({}, {}, Attribution("", {})),
        ({"campaign": {"source": "douyin", "medium": "cpc"}}, {}, Attribution("cpc", {"source": "douyin"})),
        ({"campaign": {"name": "c", "content": "r"}}, {}, Attribution("", {"name": "c", "content": "r"})),
        ({"page": {"search": SEARCH}}, {}, FROM_SEARCH),
        ({"page": {"url": "https://shop.example/x" + SEARCH + "#top"}}, {}, FROM_SEARCH),
        ({}, {"url": "https://shop.example/x" + SEARCH}, FROM_SEARCH),
        ({"campaign": {"source": "weibo"}, "page": {"search": SEARCH}}, {}, Attribution("", {"source": "weibo"})),
        ({"campaign": "autumn"}, {}, Attribution("", {})),
        ({"campaign": {"source": 5, "other": "x"}}, {}, Attribution("", {})),
        ({"page": "home"}, {"url": 7}, Attribution("", {})),
        ({"page": {"search": "?utm_source="}}, {}, Attribution("", {})),
    ],
)  # fmt: skip
def test_the_campaign_is_what_the_sdk_read_or_else_the_page_says(
    context: dict[str, Any], properties: dict[str, Any], expected: Attribution
) -> None:
    assert attribution_of(context, properties) == expected


def test_a_value_is_kept_to_a_bounded_length() -> None:
    assert len(attribution_of({"campaign": {"source": "x" * 9999}}, {}).campaign["source"]) == 256
