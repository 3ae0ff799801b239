"""The settings document that Segment's browser SDK fetches from its `cdnURL` before it sends anything."""

from typing import Any

_EVERY_CALL = {"__default": {"enabled": True, "integrations": {}}}


def settings_of(write_key: str, scheme: str, netloc: str) -> dict[str, Any]:
    """Tells the SDK to send events, one by one, to the host that it fetched this from."""
    return {
        "integrations": {
            "Segment.io": {
                "apiKey": write_key,
                "apiHost": f"{netloc}/v1",
                "protocol": scheme,
                "unbundledIntegrations": [],
                "addBundledMetadata": True,
                "maybeBundledConfigIds": {},
                "versionSettings": {"version": "4.4.7", "componentTypes": ["browser"]},
            }
        },
        "plan": {"track": _EVERY_CALL, "identify": _EVERY_CALL, "group": _EVERY_CALL},
        "edgeFunction": {},
        "analyticsNextEnabled": True,
        "middlewareSettings": {},
        "enabledMiddleware": {},
        "metrics": {"sampleRate": 0},
        "legacyVideoPluginsEnabled": False,
        "remotePlugins": [],
    }
