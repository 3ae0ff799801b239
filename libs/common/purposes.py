"""The one gate before personal information is used: `may_process`, default deny.

Every purpose stands on exactly one legal basis of PIPL Art. 13. Consent is needed only where the basis is
consent (Art. 13(1)); what is necessary to perform a contract (Art. 13(2)) does not depend on it (Art. 16).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Basis(StrEnum):
    """A legal basis; the value is its place in PIPL Art. 13, paragraph 1."""

    CONSENT = "13-1-1"
    CONTRACT = "13-1-2"


PURPOSES: Mapping[str, Basis] = {
    "service": Basis.CONTRACT,
    "marketing": Basis.CONSENT,
    "personalisation": Basis.CONSENT,
    "analytics": Basis.CONSENT,
}


@dataclass(frozen=True)
class Decision:
    """Whether a subject's data may be used for a purpose, and the reason code that a caller may show."""

    allowed: bool
    reason: str


def may_process(purpose: str, consents: Mapping[str, bool], *, restricted: bool = False) -> Decision:
    """`consents` holds the latest decision per purpose of the subject; a missing one is not a consent.

    A restricted subject may be stored, nothing else, whatever the basis (PIPL Art. 47).
    """
    basis = PURPOSES.get(purpose)
    if basis is None:
        return Decision(False, "unknown_purpose")
    if restricted:
        return Decision(False, "restricted")
    if basis is Basis.CONTRACT:
        return Decision(True, "contract")
    granted = consents.get(purpose)
    if granted is None:
        return Decision(False, "no_consent")
    return Decision(True, "consent") if granted else Decision(False, "consent_withdrawn")
