"""The front door's process."""

from libs.common.app import create_app
from services.ingest.front import FrontDoor
from services.ingest.resources import open_ingest
from services.ingest.routes import routers
from services.ingest.routes.segment import DOORS


def create() -> FrontDoor:
    """`uvicorn services.ingest.app:create --factory`."""
    return FrontDoor(create_app("ingest", open_ingest, routers), DOORS)
