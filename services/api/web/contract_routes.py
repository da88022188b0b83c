"""/asyncapi.json and the page of it; /problems, what the codes of errors mean."""

from importlib.metadata import version

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, JSONResponse

from services.api.core.problem import KINDS
from services.api.web.parts import Parts, PartsOf
from shared.contract import asyncapi_document

router = APIRouter(tags=["contract"])


@router.get("/asyncapi.json")
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
