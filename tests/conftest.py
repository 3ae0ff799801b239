"""Fixtures of all tests live in modules named after what they start."""

from hypothesis import HealthCheck, settings

# A busy machine is no reason to fail: what is tested is what is computed, not how fast.
settings.register_profile("wanliu", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("wanliu")

pytest_plugins = ["tests.postgres", "tests.nats", "tests.stack"]
