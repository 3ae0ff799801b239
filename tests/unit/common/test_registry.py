"""Versioned entries: complete upcasters, no guessing."""

import msgspec
import pytest

from libs.common.contracts.registry import Registry, UnknownEntry


class Greeting(msgspec.Struct, array_like=True, frozen=True):
    name: str
    polite: bool


def registry() -> Registry:
    found = Registry()
    found.register("greeting", 3, Greeting, {1: lambda old: [old[0].title()], 2: lambda old: [*old, True]})
    return found


def test_an_old_version_is_upcast_step_by_step() -> None:
    assert registry().decode(msgspec.msgpack.encode(["greeting", 1, ["li"]])) == Greeting("Li", True)
    assert registry().decode(msgspec.msgpack.encode(["greeting", 2, ["li"]])) == Greeting("li", True)


def test_what_is_encoded_decodes_to_the_same() -> None:
    assert registry().decode(registry().encode(Greeting("li", False))) == Greeting("li", False)


@pytest.mark.parametrize("version", [0, 4, 99])
def test_an_unknown_version_stops_the_reader(version: int) -> None:
    with pytest.raises(UnknownEntry, match="this build knows 1 to 3"):
        registry().decode(msgspec.msgpack.encode(["greeting", version, ["li", True]]))


def test_an_unknown_type_stops_the_reader() -> None:
    with pytest.raises(UnknownEntry, match="farewell"):
        registry().decode(msgspec.msgpack.encode(["farewell", 1, []]))


@pytest.mark.parametrize("steps", [{}, {1: list}, {2: list}, {1: list, 2: list, 3: list}])
def test_a_gap_in_the_upcasters_is_refused_at_registration(steps: dict[int, type]) -> None:
    with pytest.raises(ValueError, match="needs upcasters"):
        Registry().register("greeting", 3, Greeting, steps)


def test_damaged_bytes_are_an_error_and_not_an_entry() -> None:
    with pytest.raises(msgspec.DecodeError):
        registry().decode(b"\xff\x00 damaged")
