"""Whether a purpose may use anything of a customer: the latest decisions of all the customer's pseudonyms.

Asked anew for every answer, so a withdrawal or restriction holds from the moment it was acknowledged. Where privacy
does not answer, nobody is answered (503): neither consent nor the absence of a restriction may be assumed.
"""

from collections.abc import Sequence

from libs.common.purposes import Decision, may_process
from services.profile import store
from services.profile.asking import Ask
from services.profile.locating import Customer


async def permit(ask: Ask, customers: Sequence[Customer]) -> list[Decision]:
    """One decision per customer, in order. Raises Unavailable."""
    standings = await ask.opened.standings.standings([_pseudonyms(customer) for customer in customers])
    return [may_process(ask.purpose, each.consents, restricted=each.restricted) for each in standings]


def _pseudonyms(customer: Customer) -> list[bytes]:
    return sorted({each.id for part in customer.parts for each in store.unpack(part.pseudonyms)})
