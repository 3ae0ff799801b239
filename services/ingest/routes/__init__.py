"""The HTTP face of the front door: doors for SDKs, and an API for operators."""

from services.ingest.routes import quarantine, segment, sources, tail

routers = (segment.router, sources.router, quarantine.router, tail.router)
