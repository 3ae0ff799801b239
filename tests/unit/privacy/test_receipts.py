"""A receipt is worth something because nobody can change it unnoticed."""

import copy
from pathlib import Path
from typing import Any

import pytest

from services.privacy.rights.receipts import ReceiptKey, verify

STATEMENT = {"version": 1, "request": "r", "erased": {"profile": {"events": 3}}, "note": "已删除"}


@pytest.fixture
def key(tmp_path: Path) -> ReceiptKey:
    return ReceiptKey(tmp_path)


def test_a_receipt_states_what_was_signed_and_the_same_key_is_found_again(key: ReceiptKey, tmp_path: Path) -> None:
    assert verify(key.sign(STATEMENT), ReceiptKey(tmp_path).public) == STATEMENT
    assert [path.name for path in tmp_path.iterdir()] == ["receipts.key"]
    assert (tmp_path / "receipts.key").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("path", [("request",), ("erased", "profile", "events"), ("note",)])
def test_any_change_is_found(key: ReceiptKey, path: tuple[str, ...]) -> None:
    receipt: Any = copy.deepcopy(key.sign(STATEMENT))
    place = receipt["statement"]
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = 4
    with pytest.raises(ValueError, match="was changed"):
        verify(receipt, key.public)


def test_another_key_and_what_is_no_receipt_are_told_apart(key: ReceiptKey, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="signed with key"):
        verify(key.sign(STATEMENT), ReceiptKey(tmp_path / "other").public)
    with pytest.raises(ValueError, match="no receipt"):
        verify({"statement": STATEMENT}, key.public)
