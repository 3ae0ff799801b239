"""What a preview calls weak: a device without which the customer would fall into several people."""

from services.privacy.rights.preview import Part, weak_links


def part(number: int, **kinds: str) -> Part:
    return Part(bytes([number]) * 16, b"c" * 16, {pseudonym: kind for kind, pseudonym in kinds.items()}, 1, number)


def test_a_device_that_two_people_share_is_a_weak_link() -> None:
    shared = [part(1, phone="p1", device_id="d"), part(2, phone="p2", device_id="d")]
    assert weak_links(shared) == [{"kind": "device_id", "joins": 2, "bindings": ["01" * 16, "02" * 16]}]


def test_a_device_that_something_stronger_also_joins_is_none() -> None:
    joined = [part(1, phone="p1", device_id="d"), part(2, user_id="u", device_id="d"), part(3, phone="p1", user_id="u")]
    assert weak_links(joined) == []
    assert weak_links([part(1, anonymous_id="a")]) == []
