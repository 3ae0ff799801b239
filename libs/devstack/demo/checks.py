"""The demo is also a test: whatever it tells, it has checked."""

from libs.devstack.errors import StackError


class StoryBroken(StackError):
    """Something that the demo tells is not so."""


def must(true: bool, claim: str) -> None:
    """Raises StoryBroken unless the claim is true."""
    if not true:
        raise StoryBroken(f"the demo found something wrong: not so that {claim}")


def must_equal(found: object, expected: object, what: str) -> None:
    """Raises StoryBroken unless both are equal."""
    must(found == expected, f"{what} is {expected!r}; it is {found!r}")
