"""Segments' HTTP API."""

from fastapi import FastAPI

from libs.common.app import create_app
from services.segments.resources import open_segments
from services.segments.routes import router


def create() -> FastAPI:
    """`uvicorn services.segments.app:create --factory`."""
    return create_app("segments", open_segments, [router])
