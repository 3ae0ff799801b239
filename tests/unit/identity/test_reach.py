"""What must be loaded: every customer that may end or be erased, and none that cannot."""

from services.identity.reach import reach
from services.identity.state import Birth, Customer, Owned
from tests.unit.identity.people import KIND_OF, binding, name_id, pseudonym

OWNED = {
    name_id(name): Owned(KIND_OF[name[0]], name_id(f"c{number}"), Birth(number, 0))
    for number, name in enumerate(["u1", "u2", "a3", "a4"], 1)
}
CUSTOMERS = {name_id(f"c{number}"): Customer("w", Birth(number, 0)) for number in range(1, 5)}


def reached(*new: str, seeds: str = "") -> tuple[set[bytes], set[bytes]]:
    found = reach([binding(each) for each in new], [pseudonym(each) for each in seeds.split()], OWNED, CUSTOMERS)
    return found.ending, found.erasable


def customers(*numbers: int) -> set[bytes]:
    return {name_id(f"c{number}") for number in numbers}


def test_a_binding_of_one_customer_ends_nobody() -> None:
    assert reached("u1 a9", "u2 a8") == (set(), set())


def test_of_customers_that_a_binding_connects_all_but_the_oldest_may_end() -> None:
    assert reached("u1 a3 a4") == (customers(3, 4), set())


def test_bindings_connect_through_pseudonyms_that_are_new_themselves() -> None:
    assert reached("a3 x1", "x1 x2", "x2 u2") == (customers(3), set())


def test_limits_do_not_matter_for_what_may_end() -> None:
    assert reached("u1 u2") == (customers(2), set())


def test_a_seed_makes_its_customer_erasable() -> None:
    assert reached(seeds="u1") == (customers(1), customers(1))


def test_a_seed_reaches_whatever_may_join_its_customer_first() -> None:
    assert reached("a3 x1", "x1 u2", "u1 a9", seeds="a3") == (customers(2, 3), customers(2, 3))
