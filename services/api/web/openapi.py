"""What FastAPI does not know of the API: the form of errors, what holds for every answer, examples."""

import json
from importlib import resources
from typing import Any

from services.api.core.problem import KINDS

Document = dict[str, Any]

_EXAMPLES: Document = json.loads(resources.files("services.api.web").joinpath("examples.json").read_text())
REPORT: Document = _EXAMPLES["answers"]["/v1/reports/{report_id}"]
ANSWERS: Document = _EXAMPLES["answers"] | {
    "/v1/reports": {"reports": [REPORT], "next": f"1773480660000000-{REPORT['report']['id']}"}
}
_TEXT = {"type": "string"}
PROBLEM: Document = {
    "title": "Problem",
    "description": "RFC 9457. `code` and `type` never change; the codes are listed at /problems.",
    "type": "object",
    "required": ["type", "title", "code", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": _TEXT,
        "code": {"type": "string", "enum": [kind.code for kind in KINDS.values()]},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "For people."},
        "errors": {
            "type": "array",
            "items": {"type": "object", "properties": {"field": _TEXT, "detail": _TEXT}},
        },
        "floor": {"type": "string", "description": "Of cursor-gone: the oldest cursor that works."},
        "last": {"type": "string", "description": "Of cursor-gone: the newest id that there is."},
    },
    "examples": _EXAMPLES["problems"],
}
_HEADERS: Document = {
    "RateLimit-Policy": {
        "description": "Requests that cost something, and the seconds in which so many are answered.",
        "schema": _TEXT,
        "example": '"reads";q=6000;w=60',
    },
    "RateLimit": {
        "description": "How many are left, and in how many seconds there are all again.",
        "schema": _TEXT,
        "example": '"reads";r=5999;t=60',
    },
    "Retry-After": {"description": "Of 429 and 503, in seconds.", "schema": {"type": "integer"}},
}


def complete(document: Document) -> Document:
    """Return the document with errors, headers and examples."""
    components = document.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = PROBLEM
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    components["headers"] = _HEADERS
    components["responses"] = {
        "Problem": {
            "description": "What is wrong, as problem details",
            "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in _HEADERS},
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    }
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete_operation(path, method, operation)
    return document


def _complete_operation(path: str, method: str, operation: Document) -> None:
    responses = operation["responses"]
    responses.pop("422", None)
    responses["default"] = {"$ref": "#/components/responses/Problem"}
    if method == "post" and path in _EXAMPLES["requests"]:
        operation["requestBody"]["content"]["application/json"]["examples"] = _EXAMPLES["requests"][path]
    if method == "get" and path in ANSWERS:
        answer = responses["200"]
        answer["content"]["application/json"]["example"] = ANSWERS[path]
        answer["headers"] = {
            "ETag": {"description": "Send it as If-None-Match: 304 if nothing has changed.", "schema": _TEXT}
        }
