"""Rows remember exactly what must be written."""

from services.identity.state import Rows


def rows() -> Rows[int]:
    found: Rows[int] = Rows()
    found.load([(b"a", 1), (b"b", 2)])
    return found


def test_what_was_only_loaded_is_not_written() -> None:
    found = rows()
    assert (found.inserted(), found.updated(), found.deleted()) == ([], [], [])


def test_a_new_row_is_inserted_and_a_stored_one_updated() -> None:
    found = rows()
    found.put(b"c", 3)
    found.put(b"a", 4)
    assert (found.inserted(), found.updated(), found.deleted()) == ([(b"c", 3)], [(b"a", 4)], [])


def test_a_stored_row_that_was_dropped_is_deleted() -> None:
    found = rows()
    found.put(b"a", 9)
    found.drop(b"a")
    assert (found.inserted(), found.updated(), found.deleted()) == ([], [], [b"a"])


def test_a_row_that_came_and_went_is_not_written() -> None:
    found = rows()
    found.put(b"c", 3)
    found.drop(b"c")
    found.drop(b"d")
    assert (found.inserted(), found.updated(), found.deleted()) == ([], [], [])


def test_rows_go_in_the_order_of_their_keys() -> None:
    found: Rows[int] = Rows()
    found.put_all([b"c", b"a", b"b"], 1)
    assert found.inserted() == [(b"a", 1), (b"b", 1), (b"c", 1)]
