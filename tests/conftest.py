"""Fixtures of all tests live in modules named after what they start."""

pytest_plugins = ["tests.postgres", "tests.nats", "tests.stack"]
