"""The HTTP application: routes and errors."""

from importlib.metadata import version
from typing import Any

from fastapi import FastAPI

from services.api.settings import ApiSettings
from services.api.web import (
    admin_pages,
    feed_routes,
    operation_routes,
    owner_pages,
    reader_pages,
    report_routes,
    subscribe_pages,
    websub_routes,
)
from services.api.web import subscription_routes as subscriptions
from services.api.web.parts import make_parts
from services.api.web.problems import MEDIA_TYPE, add_problem_handlers
from shared.bus import Bus

DESCRIPTION = """
Reports of conflict and humanitarian feeds, tagged with topics, and subscriptions to them.
Errors are problem details (RFC 9457). The pages of this service use the same checks.
"""


_TEXT = {"type": "string"}
_PROBLEM: dict[str, Any] = {
    "description": "What is wrong, as problem details",
    "content": {
        MEDIA_TYPE: {
            "schema": {
                "title": "Problem",
                "type": "object",
                "required": ["type", "title", "status", "detail"],
                "properties": {
                    "type": _TEXT,
                    "title": _TEXT,
                    "status": {"type": "integer"},
                    "detail": _TEXT,
                    "errors": {
                        "type": "array",
                        "items": {"type": "object", "properties": {"field": _TEXT, "detail": _TEXT}},
                    },
                },
            },
            "example": {
                "type": "about:blank",
                "title": "Invalid fields",
                "status": 422,
                "detail": "filter.topics: unknown topic 'floods'; known are aid and displacement",
                "errors": [
                    {
                        "field": "filter.topics",
                        "detail": "unknown topic 'floods'; known are aid and displacement",
                    }
                ],
            },
        }
    },
}


def make_http(bus: Bus, settings: ApiSettings) -> FastAPI:
    """Return the application; the bus must be connected."""
    http = FastAPI(
        title="Tocsin",
        version=version("tocsin"),
        description=DESCRIPTION,
        docs_url=None,  # It would load its scripts from elsewhere.
        redoc_url=None,
        responses={"default": _PROBLEM, 422: _PROBLEM},
    )
    http.state.parts = make_parts(bus, settings)
    for routes in (
        subscriptions,
        report_routes,
        feed_routes,
        operation_routes,
        reader_pages,
        subscribe_pages,
        owner_pages,
        admin_pages,
        websub_routes,
    ):
        http.include_router(routes.router)
    add_problem_handlers(http)
    return http
