"""The front door's process."""

from fastapi import FastAPI

from libs.common.app import create_app
from services.ingest.resources import open_ingest
from services.ingest.routes import routers


def create() -> FastAPI:
    """`uvicorn services.ingest.app:create --factory`."""
    return create_app("ingest", open_ingest, routers)
