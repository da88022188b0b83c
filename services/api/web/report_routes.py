"""/v1/reports, /v1/topics: what was reported, what can be followed."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from services.api.adapters.explanations import explain_report
from services.api.adapters.report_search import search_reports
from services.api.core.explaining import ReportExplained
from services.api.core.problem import FieldError, NotFound, Problem
from services.api.core.search import CursorError, Search
from services.api.web.parts import AskedOf, PartsOf
from services.api.web.tokens import AskedAbout
from shared.catalogue import TopicSummary
from shared.events import TaggedReport

router = APIRouter(prefix="/v1")

After = Annotated[str | None, Query(max_length=100, description="`next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=200)]


class ReportPage(BaseModel):
    """Tagged reports, newest first. At most 2000 are looked at for one page, so a page may be short, even empty."""

    reports: list[TaggedReport]
    next: str | None = Field(description="Goes into `after` for the next page; null at the end.")


class Topics(BaseModel):
    topics: tuple[TopicSummary, ...]


@router.get("/reports", tags=["reports"])
async def list_reports(parts: PartsOf, asked: AskedOf, after: After = None, limit: Limit = 50) -> ReportPage:
    """Return reports, newest first; `topic`, `country` and `q` must all hold if they are given."""
    try:
        page = await search_reports(parts.reports, Search.of(asked.filter), after, limit)
    except CursorError as e:
        raise Problem(f"after: {e}", errors=[FieldError("after", str(e))]) from e
    return ReportPage(reports=[hit.tagged for hit in page.hits], next=page.next)


@router.get("/reports/{report_id}", tags=["reports"])
async def read_report(report_id: str, parts: PartsOf) -> TaggedReport:
    """Return a report with its tags and the words that made them."""
    tagged = await parts.reports.get(report_id)
    if tagged is None:
        raise NotFound("there is no such report; it may be older than what is kept")
    return tagged


@router.get("/reports/{report_id}/explain", tags=["reports"])
async def explain(report_id: str, subscription: AskedAbout, parts: PartsOf) -> ReportExplained:
    """Return what became of a report for a subscription, and why; with the filter clause by clause."""
    return await explain_report(
        parts.bus, subscription, await read_report(report_id, parts), datetime.now(UTC)
    )


@router.get("/topics", tags=["topics"])
async def list_topics(parts: PartsOf) -> Topics:
    """Return the topics that the running rulebook knows; none while classify has never run."""
    return Topics(topics=await parts.topics())
