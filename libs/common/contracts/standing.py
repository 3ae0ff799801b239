"""Asking privacy where people stand: request-reply on NATS subject `privacy.v1.standing`, msgpack both ways.

Privacy folds EVENTS directly, so an answer never waits behind identity's backlog. Who gets no answer must treat
it as a no.
"""

import msgspec

SUBJECT = "privacy.v1.standing"


class StandingRequest(msgspec.Struct, array_like=True, frozen=True):
    """`subjects`: one list of pseudonyms per person asked about."""

    workspace: str
    subjects: list[list[bytes]]


class Standing(msgspec.Struct, array_like=True, frozen=True):
    """`consents`: purpose -> granted, where anybody of the pseudonyms decided; one withdrawal denies.

    Of each pseudonym its latest decision counts; a customer is denied if the latest of any of them denies.
    `restricted`: only storage is allowed.
    """

    consents: dict[str, bool]
    restricted: bool


class StandingReply(msgspec.Struct, array_like=True, frozen=True):
    """One Standing per subject, in order."""

    standings: list[Standing]
