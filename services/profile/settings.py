"""What profile is told by its environment, beside the shared settings (prefix WANLIU_)."""

from libs.common.settings import Settings


class ProfileSettings(Settings):
    """Bounds of what one request may cost."""

    profile_wait_seconds: float = 5.0
    """How long `at_least` waits before it answers 503."""
    profile_as_of_events: int = 20_000
    """The most events that `at` evaluates for one customer."""
    profile_pool_size: int = 5
