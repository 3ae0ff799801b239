"""Profile's HTTP API."""

from fastapi import FastAPI

from libs.common.app import create_app
from services.profile.resources import open_profile
from services.profile.routes import router


def create() -> FastAPI:
    """`uvicorn services.profile.app:create --factory`."""
    return create_app("profile", open_profile, [router])
