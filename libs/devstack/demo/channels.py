"""What each channel system sends, with the real, unmodified Segment client: only `host` points at Wanliu.

The client insists on a user or an anonymous id. Where a channel knows neither, it gives what is unique to the
visit (a receipt, a chat session); never what many people share, such as a till.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from segment.analytics.client import Client

from libs.devstack.demo.cast import Cast, Friend, Person
from libs.devstack.errors import StackError

CURRENCY = "CNY"
APP_ORDER_FEN, STORE_ORDER_FEN = 29_900, 45_850


@dataclass(frozen=True)
class Door:
    """Where a channel sends, and as which source."""

    url: str
    write_key: str


@contextmanager
def segment(door: Door, *, gzip: bool = False) -> Iterator[Client]:
    """Segment's client; when the block ends everything is delivered. Raises StackError when something is not."""
    failures: list[str] = []
    client = Client(
        door.write_key,
        host=door.url,
        gzip=gzip,
        upload_interval=0.05,
        on_error=lambda error, items: failures.append(f"{len(items)} events: {error}"),
        proxies={"http": ""},  # the machine's proxy must not see what goes to this machine
    )
    yield client
    client.shutdown()
    if failures:
        raise StackError(f"the Segment client could not deliver {'; '.join(failures)}")


def external_ids(**values: str) -> dict[str, Any]:
    """`context.externalIds` of a Segment event."""
    common = {"collection": "users", "encoding": "none"}
    return {"externalIds": [{"type": kind, "id": value, **common} for kind, value in values.items()]}


class Days:
    """Moments of the story, counted back from now so that it happened in the last two weeks."""

    def __init__(self, now: datetime | None = None) -> None:
        self._now = now or datetime.now(UTC)

    def ago(self, days: float, minutes: float = 0) -> datetime:
        """So many days ago, and so many minutes later."""
        return self._now - timedelta(days=days) + timedelta(minutes=minutes)


def web(door: Door, person: Person, days: Days) -> int:
    """She reads as a stranger, comes back by a newsletter, and signs up. Returns how many events were sent."""
    campaign = {"source": "weibo", "medium": "social", "name": "autumn-coats"}
    page = {"anonymous_id": person.anonymous_id}
    with segment(door) as client:
        url = "https://shop.example.com/?utm_source=weibo&utm_medium=social&utm_campaign=autumn-coats"
        client.page(**page, name="Home", properties={"url": url}, timestamp=days.ago(12))
        client.page(**page, name="Coats", context={"campaign": campaign}, timestamp=days.ago(12, 3))
        product = {"product_id": "coat-17", "category": "coats"}
        client.track(**page, event="Product Viewed", properties=product, timestamp=days.ago(9))
        traits = {"email": person.email, "name": person.name}
        client.identify(person.user_id, traits=traits, anonymous_id=person.anonymous_id, timestamp=days.ago(9, 6))
    return 4


def app(door: Door, person: Person, days: Days) -> int:
    """She signs in on her phone, leaves its number and orders the coat."""
    context = {"device": {"id": person.device_id, "type": "ios", "model": "iPhone"}}
    order = {
        "order_id": "A-1007",
        "revenue": APP_ORDER_FEN / 100,
        "currency": CURRENCY,
        "products": [{"product_id": "coat-17", "price": 299.00, "quantity": 1}],
    }
    with segment(door, gzip=True) as client:
        client.identify(person.user_id, traits={"phone": person.phone}, context=dict(context), timestamp=days.ago(6))
        client.screen(person.user_id, name="Basket", context=dict(context), timestamp=days.ago(6, 2))
        client.track(person.user_id, "Order Completed", order, context=dict(context), timestamp=days.ago(6, 5))
    return 3


def wechat(door: Door, person: Person, days: Days) -> int:
    """She follows the shop on WeChat, which knows her openid and, since she allowed it, her phone number."""
    known = external_ids(wechat_openid=person.openid, wechat_unionid=person.unionid, phone=person.phone)
    session = f"chat-{person.openid}"
    with segment(door) as client:
        client.track(event="Followed", anonymous_id=session, context=dict(known), timestamp=days.ago(4))
        article = {"article": "how to care for wool"}
        client.track(event="Article Read", anonymous_id=session, properties=article, context=dict(known),
                     timestamp=days.ago(4, 9))  # fmt: skip
    return 2


def store(door: Door, person: Person, days: Days) -> int:
    """She buys in a store with her member card. The till is not sure that it got through and sends twice."""
    receipt = f"receipt-{person.member_card}"
    known = external_ids(member_card=person.member_card, phone=f"+86 {person.phone}")
    order = {
        "order_id": "S-2031",
        "total": f"¥{STORE_ORDER_FEN / 100:.2f}",
        "currency": CURRENCY,
        "store": "Hangzhou 3",
    }
    for _ in range(2):
        with segment(door) as client:
            client.track(event="Order Completed", anonymous_id=receipt, properties=dict(order), context=dict(known),
                         timestamp=days.ago(1), message_id=receipt)  # fmt: skip
    return 2


def borrowed_browser(door: Door, cast: Cast, days: Days) -> int:
    """A friend signs in on her browser. And the page has a bug: one event comes without a name."""
    friend: Friend = cast.friend
    on_her_browser = {"anonymous_id": cast.customer.anonymous_id}
    with segment(door) as client:
        traits = {"email": friend.email, "name": friend.name}
        client.identify(friend.user_id, traits=traits, **on_her_browser, timestamp=days.ago(0, -60))
        product = {"product_id": "hat-3", "category": "hats"}
        client.track(friend.user_id, "Product Viewed", product, **on_her_browser, timestamp=days.ago(0, -58))
        client.track(friend.user_id, "", **on_her_browser, timestamp=days.ago(0, -57))
    return 3
