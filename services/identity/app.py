"""Identity's HTTP API."""

from contextlib import AsyncExitStack

from fastapi import FastAPI

from libs.common.app import create_app
from libs.common.resources import Opened, open_resources
from libs.common.settings import Settings
from services.identity.routes import router


async def _open(stack: AsyncExitStack) -> Opened:
    return await open_resources(stack, Settings(), "identity", "identity")


def create() -> FastAPI:
    """`uvicorn services.identity.app:create --factory`."""
    return create_app("identity", _open, [router])
