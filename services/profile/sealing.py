"""Fragments and events under the data key of their binding."""

from libs.common import crypto, fragment
from libs.common.contracts.body import EventBody, decode_body
from libs.common.crypto import Sealer
from libs.common.fragment import Fragment


class Sealed:
    """Seals and opens what belongs to one binding. Opening raises crypto.CannotOpen."""

    __slots__ = ("_event_prefix", "_fragment", "_sealer")

    def __init__(self, sealer: Sealer, suite: str, workspace: str, binding: bytes) -> None:
        self._sealer = sealer
        self._fragment = crypto.associated(suite, workspace, "fragment", binding)
        # Associated data is a chain of parts, each after its length in 2 bytes: a binding's events share all but
        # the last.
        self._event_prefix = crypto.body_associated(suite, workspace, binding, b"")[:-2]

    def fragment(self, sealed: bytes) -> Fragment:
        """The fragment of the binding. Raises fragment.UnknownFragment when another version wrote it."""
        return fragment.decode(self._sealer.open(sealed, self._fragment))

    def seal_fragment(self, opened: Fragment) -> bytes:
        """The bytes of `bindings.fragment`."""
        return self._sealer.seal(fragment.encode(opened), self._fragment)

    def body(self, event_id: bytes, sealed: bytes) -> EventBody:
        """The body of an event of the binding."""
        associated = self._event_prefix + len(event_id).to_bytes(2, "big") + event_id
        return decode_body(self._sealer.open(sealed, associated))
