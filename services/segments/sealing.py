"""Events and segments' own fragments under the data key of their binding."""

from libs.common import crypto, fragment
from libs.common.contracts.body import EventBody, decode_body
from libs.common.crypto import Sealer
from libs.common.fragment import Fragment


class Sealed:
    """Seals and opens what belongs to one binding. Opening raises crypto.CannotOpen."""

    __slots__ = ("_binding", "_fragment", "_sealer", "_suite", "_workspace")

    def __init__(self, sealer: Sealer, suite: str, workspace: str, binding: bytes) -> None:
        self._sealer, self._suite, self._workspace, self._binding = sealer, suite, workspace, binding
        self._fragment = crypto.associated(suite, workspace, "segments", binding)

    def fragment(self, sealed: bytes) -> Fragment:
        """The fragment of the binding. Raises fragment.UnknownFragment when another version wrote it."""
        return fragment.decode(self._sealer.open(sealed, self._fragment))

    def seal_fragment(self, opened: Fragment) -> bytes:
        """The bytes of `bindings.fragment`."""
        return self._sealer.seal(fragment.encode(opened), self._fragment)

    def body(self, event_id: bytes, sealed: bytes) -> EventBody:
        """The body of an event of the binding."""
        associated = crypto.body_associated(self._suite, self._workspace, self._binding, event_id)
        return decode_body(self._sealer.open(sealed, associated))
