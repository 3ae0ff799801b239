"""Definitions as the log holds them."""

from functools import lru_cache
from typing import Any

import msgspec

from services.segments import definition
from services.segments.definition import InvalidDefinition
from services.segments.evaluation import Rule, compiled


class UnknownDefinition(Exception):
    """A definition in the log that this build does not understand: the consumer stops, a newer build is needed."""


def write_definition(given: Any) -> bytes:
    """The bytes of SegmentDefined.definition."""
    return msgspec.json.encode(given)


@lru_cache(maxsize=1024)
def _compiled(data: bytes) -> Rule:
    return compiled(definition.parse(msgspec.json.decode(data)))


def read_definition(segment: str, data: bytes) -> Rule:
    """The rule behind the bytes. Raises UnknownDefinition."""
    try:
        return _compiled(data)
    except (InvalidDefinition, msgspec.DecodeError) as error:
        raise UnknownDefinition(f"segment {segment}: {error}: upgrade the reader first") from None
