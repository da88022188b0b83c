"""What a wish would have brought: for programs as JSON, for the form as a piece of its page."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse

from services.api.adapters.limits import source_of
from services.api.core.form import AlertForm, what_and_when
from services.api.core.preview import Preview, PreviewWish
from services.api.core.problem import Problem, validated
from services.api.web.parts import HostOf, Parts, PartsOf

router = APIRouter()


@router.post("/v1/preview", tags=["subscriptions"])
async def preview(wish: PreviewWish, parts: PartsOf, host: HostOf) -> Preview:
    """Return what a filter would have matched in the last days, how many a day, and the newest with the reasons."""
    await parts.desk.checks.check_filter(wish.filter)
    return await _previewed(parts, wish, host)


Typed = Annotated[AlertForm, Form()]
"""The form as it was typed."""


@router.post("/subscribe/preview", include_in_schema=False)
async def preview_form(form: Typed, parts: PartsOf, host: HostOf) -> HTMLResponse:
    """The preview of a form that is being filled in: a piece of a page, with what is wrong in it."""
    try:
        found = await form_preview(parts, form, host)
    except Problem as e:
        return parts.pages.render("_preview.html", private=True, preview=None, problem=e)
    return parts.pages.render("_preview.html", private=True, preview=found, problem=None)


async def form_preview(parts: Parts, form: AlertForm, host: str) -> Preview | None:
    """Return the preview of a form; None if nothing is chosen yet. Raise a Problem if something is wrong in it."""
    fields = what_and_when(form)
    if not any(fields["filter"].values()):
        return None
    wish = validated(PreviewWish, fields)
    await parts.desk.checks.check_filter(wish.filter)
    return await _previewed(parts, wish, host)


async def _previewed(parts: Parts, wish: PreviewWish, host: str) -> Preview:
    await parts.desk.limit("previews", source_of(host))
    return await parts.recent.preview(wish, parts.reports, datetime.now(UTC))
