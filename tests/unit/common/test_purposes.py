"""The one gate: default deny, for every basis, purpose and state of consent."""

import pytest

from libs.common.purposes import PURPOSES, Basis, may_process

CONSENTED = [purpose for purpose, basis in PURPOSES.items() if basis is Basis.CONSENT]


@pytest.mark.parametrize("purpose", CONSENTED)
def test_without_a_decision_a_purpose_based_on_consent_is_denied(purpose: str) -> None:
    others = {other: True for other in CONSENTED if other != purpose}
    for consents in ({}, others):
        decision = may_process(purpose, consents)
        assert (decision.allowed, decision.reason) == (False, "no_consent")


@pytest.mark.parametrize("purpose", CONSENTED)
def test_a_consent_allows_and_its_withdrawal_denies(purpose: str) -> None:
    assert may_process(purpose, {purpose: True}).allowed
    assert may_process(purpose, {purpose: False}).reason == "consent_withdrawn"


@pytest.mark.parametrize("consents", [{}, {"marketing": False}, {"service": False}])
def test_a_contract_does_not_depend_on_consent(consents: dict[str, bool]) -> None:
    assert may_process("service", consents).allowed


@pytest.mark.parametrize("purpose", ["", "Marketing", "curiosity"])
def test_an_unknown_purpose_is_denied(purpose: str) -> None:
    assert may_process(purpose, {purpose: True}) == may_process("curiosity", {})
    assert not may_process(purpose, {purpose: True}).allowed
