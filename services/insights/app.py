"""Insights: its HTTP API and its consumers in one process, the only owner of the embedded ClickHouse."""

from fastapi import FastAPI

from libs.common.app import create_app
from services.insights.resources import open_insights
from services.insights.routes import router


def create() -> FastAPI:
    """`uvicorn services.insights.app:create --factory`."""
    return create_app("insights", open_insights, [router])
