"""The HTTP application: routes and errors."""

from importlib.metadata import version

from fastapi import FastAPI

from services.api.adapters.recent_reports import RecentReports
from services.api.settings import ApiSettings
from services.api.web import (
    admin_pages,
    answer_pages,
    bounce_routes,
    event_routes,
    feed_routes,
    manage_pages,
    operation_routes,
    outgoing_routes,
    preview_routes,
    reader_pages,
    report_routes,
    subscribe_pages,
    websub_routes,
)
from services.api.web import subscription_routes as subscriptions
from services.api.web.openapi import complete
from services.api.web.parts import make_parts
from services.api.web.problems import add_problem_handlers
from shared.bus import Bus

DESCRIPTION = """
Reports of conflict and humanitarian feeds, tagged with topics, and subscriptions to them.
Errors are problem details (RFC 9457). The pages of this service use the same checks.
"""


def make_http(bus: Bus, settings: ApiSettings, recent: RecentReports | None = None) -> FastAPI:
    """Return the application; the bus must be connected. `recent` are the reports for previews."""
    http = FastAPI(
        title="Tocsin",
        version=version("tocsin"),
        description=DESCRIPTION,
        docs_url=None,  # It would load its scripts from elsewhere.
        redoc_url=None,
    )
    http.state.parts = make_parts(bus, settings, recent)
    for routes in (
        subscriptions,
        preview_routes,
        report_routes,
        event_routes,
        feed_routes,
        operation_routes,
        outgoing_routes,
        reader_pages,
        subscribe_pages,
        answer_pages,
        manage_pages,
        admin_pages,
        bounce_routes,
        websub_routes,
    ):
        http.include_router(routes.router)
    add_problem_handlers(http)
    describe = http.openapi
    http.openapi = lambda: http.openapi_schema or complete(describe())  # type: ignore[method-assign]
    return http
