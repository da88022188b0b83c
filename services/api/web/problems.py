"""Errors as answers: problem details for programs, a page that says what to do for people."""

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from services.api.core.problem import (
    FieldError,
    Invalid,
    NotFound,
    NotReady,
    Problem,
    as_json,
    field_errors,
)
from services.api.web.parts import Parts

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
_FOR_PROGRAMS = (
    "/v1/",
    "/livez",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/schemas/",
    "/websub/",
    "/countries/",
)

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_FORMS = (".atom", ".json", ".geojson", ".cap")


def add_problem_handlers(http: FastAPI) -> None:
    """Answer every error, also the framework's own and our bugs."""
    http.add_exception_handler(Problem, _on_problem)
    http.add_exception_handler(RequestValidationError, _on_invalid)
    http.add_exception_handler(HTTPException, _on_http)
    http.add_exception_handler(RedisError, _on_redis)
    http.add_exception_handler(Exception, _on_bug)


def answer(problem: Problem) -> JSONResponse:
    """Return the problem as problem details."""
    headers = {"Cache-Control": "no-store", **problem.headers}
    return JSONResponse(as_json(problem), problem.status, headers, media_type=MEDIA_TYPE)


def _answer_to(request: Request, problem: Problem) -> Response:
    parts: Parts = request.app.state.parts
    parts.bus.counters.add("http_errors", status=str(problem.status))
    path = request.url.path
    if path.startswith(_FOR_PROGRAMS) or path.endswith(_FORMS):
        return answer(problem)
    page = parts.pages.render("error.html", status=problem.status, private=True, problem=problem)
    page.headers.update(problem.headers)
    return page


async def _on_problem(request: Request, error: Any) -> Response:
    return _answer_to(request, error)


async def _on_invalid(request: Request, error: Any) -> Response:
    problems = error.errors()
    if any(problem["type"] == "json_invalid" for problem in problems):
        return _answer_to(request, Problem(f"the body is not JSON: {problems[0]['ctx']['error']}"))
    if any(problem["loc"][0] == "path" for problem in problems):
        return _answer_to(request, NotFound("there is nothing of that name"))
    if any(problem["loc"] == ("body",) for problem in problems):
        # What curl sends as a form unless told otherwise arrives here as text.
        detail = "must be a JSON object, sent with Content-Type: application/json"
        return _answer_to(request, Invalid([FieldError("body", detail)]))
    return _answer_to(request, Invalid(field_errors(problems)))


async def _on_http(request: Request, error: Any) -> Response:
    no_page = error.status_code == HTTPStatus.NOT_FOUND
    headers = error.headers
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers = {**(headers or {}), "Allow": ", ".join(_allowed(request))}
    problem = Problem(
        "there is nothing at this address" if no_page else str(error.detail),
        status=error.status_code,
        headers=headers,
    )
    return _answer_to(request, problem)


def _allowed(request: Request) -> list[str]:
    """The methods that the address knows; the framework names those of one route, and HEAD is answered as GET."""

    def knows(method: str) -> bool:
        scope = {**request.scope, "method": "GET" if method == "HEAD" else method}
        return any(route.matches(scope)[0] == Match.FULL for route in request.app.routes)

    return [method for method in _METHODS if knows(method)]


async def _on_redis(request: Request, error: Any) -> Response:
    log.warning("redis failed", path=request.url.path, error=str(error))
    return _answer_to(
        request, NotReady("redis does not answer; try again in a moment", headers={"Retry-After": "5"})
    )


async def _on_bug(request: Request, error: Any) -> Response:
    """uvicorn logs the traceback."""
    log.error("request failed", path=request.url.path, error=f"{type(error).__name__}: {error}")
    return _answer_to(request, Problem("something went wrong here; it has been logged", status=500))
