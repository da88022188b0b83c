"""What the installation says of itself: /livez, /readyz, /metrics, /schemas, /asyncapi.json, /problems; its files."""

import time
from importlib.metadata import version

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, JSONResponse, Response
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from services.api.adapters.figures import read_figures
from services.api.adapters.readiness import find_missing
from services.api.core.problem import KINDS, NotFound, Unauthorized
from services.api.web.parts import Parts, PartsOf
from services.api.web.tokens import Shown, is_token
from shared.contract import asyncapi_document
from shared.schemas import MODELS, schema_of

router = APIRouter()

_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}


@router.get("/livez", tags=["operation"])
async def live() -> dict[str, str]:
    """Return 200 while the process answers."""
    return {"status": "alive"}


@router.get("/readyz", tags=["operation"])
async def ready(parts: PartsOf) -> JSONResponse:
    """Return 200 if Redis, the consumer groups and all services are there; else 503 and what is missing."""
    missing = await find_missing(parts.bus)
    document = {"status": "not ready" if missing else "ready", "missing": missing}
    return JSONResponse(document, 503 if missing else 200, {"Cache-Control": "no-store"})


@router.get("/metrics", tags=["operation"], response_class=Response)
async def metrics(parts: PartsOf, shown: Shown) -> Response:
    """Return figures in Prometheus' text format; only to whoever names TOCSIN_METRICS_TOKEN, if that is set."""
    token = parts.settings.metrics_token
    if token and not is_token(shown, token):
        raise Unauthorized("TOCSIN_METRICS_TOKEN")
    figures = await read_figures(parts.bus, time.monotonic() - parts.started)
    return Response(figures, media_type=CONTENT_TYPE_PLAIN_0_0_4)


@router.get("/schemas/{name}.json", tags=["operation"])
async def schema(name: str) -> Response:
    """Return the JSON Schema of an event type, e.g. report.tagged.v1."""
    if name not in MODELS:
        raise NotFound(f"there are schemas of {' and '.join(MODELS)}")
    return Response(schema_of(name), media_type="application/schema+json")


@router.get("/static/{name}", include_in_schema=False)
async def static(name: str, parts: PartsOf) -> Response:
    if name not in parts.pages.files:
        raise NotFound("there is no such file")
    return Response(parts.pages.files[name], headers=_FOR_EVER, media_type=parts.pages.media_type(name))


@router.get("/favicon.ico", include_in_schema=False)
async def favicon(parts: PartsOf) -> Response:
    return Response(parts.pages.files["tocsin.svg"], headers=_FOR_EVER, media_type="image/svg+xml")


@router.get("/robots.txt", include_in_schema=False)
async def robots() -> Response:
    """Links in mails carry keys, which are nobody else's business."""
    kept_out = "".join(f"Disallow: /{path}/\n" for path in ("confirm", "manage", "unsubscribe"))
    return Response(f"User-agent: *\n{kept_out}", media_type="text/plain")


@router.get("/asyncapi.json", tags=["contract"])
async def asyncapi(parts: PartsOf) -> JSONResponse:
    """Return the AsyncAPI 3.0 document of the streams."""
    return JSONResponse(_document(parts))


@router.get("/asyncapi", include_in_schema=False)
async def asyncapi_page(parts: PartsOf) -> HTMLResponse:
    """The same as a page."""
    return parts.pages.render("asyncapi.html", document=_document(parts), base=parts.settings.public_url)


@router.get("/problems", include_in_schema=False)
async def problems(parts: PartsOf) -> HTMLResponse:
    """Where the `type` of a problem leads."""
    return parts.pages.render("problems.html", kinds=KINDS)


def _document(parts: Parts) -> dict[str, object]:
    return asyncapi_document(parts.bus.names, version("tocsin"), parts.settings.retention_seconds)
