"""api: HTTP -> subscriptions, deliveries owed; reports, health and figures -> HTTP"""

import structlog

from services.api.adapters.hub_pings import HubPings
from services.api.adapters.recent_reports import RecentReports
from services.api.settings import ApiSettings
from services.api.web.http import make_http
from services.api.web.server import open_port, serve
from shared.address_guard import AddressGuard
from shared.service import App

log = structlog.get_logger()


def make_app(settings: ApiSettings) -> App:
    """Return the service; running it raises PortTaken if somebody else listens on its port."""
    app = App("api", settings)
    recent = RecentReports(app.bus, days=settings.preview_days)

    async def serve_http() -> None:
        listener = open_port(settings.http_host, settings.http_port)
        host, port = listener.getsockname()[:2]
        log.info("listening", address=f"http://{host}:{port}", outbox=str(settings.outbox or ""))
        await serve(make_http(app.bus, settings, recent), listener)

    app.background(serve_http)
    app.background(recent.follow)
    if settings.websub_hub and settings.websub_ping:
        guard = AddressGuard(settings.allow_hosts)
        app.background(HubPings(app.bus, settings.websub_hub, settings.public_url, guard).run)
    return app
