"""What FastAPI does not know of the API: the form of errors, what holds for every answer, examples."""

from typing import Any

from services.api.core.problem import KINDS

Document = dict[str, Any]

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
    "examples": [
        {
            "type": "/problems#invalid-fields",
            "title": "Invalid fields",
            "code": "invalid-fields",
            "status": 422,
            "detail": "filter.topics: unknown topic 'floods'; known are aid and displacement",
            "errors": [
                {"field": "filter.topics", "detail": "unknown topic 'floods'; known are aid and displacement"}
            ],
        },
        {
            "type": "/problems#cursor-gone",
            "title": "Cursor gone",
            "code": "cursor-gone",
            "status": 410,
            "detail": "what came after 1763820000000-0 is not kept any more; the oldest cursor that works is "
            "1764000000000-0",
            "floor": "1764000000000-0",
            "last": "1766400000000-3",
        },
    ],
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
REPORT: Document = {
    "report": {
        "id": "5f2b8c0d9e1a4b7c3d6e8f90",
        "revision": 1,
        "changed": [],
        "url": "https://news.example.org/2026/03/14/river",
        "title": "Families cross the river",
        "summary": "Several hundred families fled over the river.",
        "text": "Several hundred families fled over the river.",
        "language": "en",
        "authors": ["A. Writer"],
        "published_at": "2026-03-14T09:30:00Z",
        "updated_at": None,
        "fetched_at": "2026-03-14T09:31:00Z",
        "source": {
            "id": "9a1c",
            "title": "River News",
            "feed_url": "https://news.example.org/feed",
            "home_url": None,
        },
        "notes": [],
    },
    "tags": [
        {
            "topic": "displacement",
            "score": 1.0,
            "rule": {"id": "displacement.flight", "version": 2},
            "evidence": [{"field": "text", "start": 25, "end": 29, "text": "fled"}],
        }
    ],
    "countries": [],
    "story": {"id": "5f2b8c0d9e1a4b7c3d6e8f90", "position": 1, "sources": 1},
    "rulebook": "2026.1",
}
EXAMPLES: Document = {
    "/v1/reports": {"reports": [REPORT], "next": "1773480660000000-5f2b8c0d9e1a4b7c3d6e8f90"},
    "/v1/reports/{report_id}": REPORT,
    "/v1/topics": {
        "topics": [
            {
                "id": "displacement",
                "title": "Displacement",
                "description": "People who flee, are driven out, or return.",
                "languages": ["en"],
                "rules": [{"id": "displacement.flight", "version": 2, "title": "People flee"}],
                "subtopics": [],
                "quality": None,
            }
        ]
    },
    "/v1/stream": {
        "stream": "tocsin:reports.tagged.v1",
        "length": 5000,
        "first": "1764000000000-1",
        "first_at": "2025-11-24T16:00:00Z",
        "last": "1766400000000-3",
        "last_at": "2025-12-22T10:40:00Z",
        "floor": "1764000000000-0",
        "retention_seconds": 2592000,
        "groups": [
            {"name": "notify", "consumers": 1, "pending": 0, "lag": 0, "last_delivered": "1766400000000-3"}
        ],
        "listeners": 12,
    },
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
            _complete_operation(path, method, operation["responses"])
    return document


def _complete_operation(path: str, method: str, responses: Document) -> None:
    responses.pop("422", None)
    responses["default"] = {"$ref": "#/components/responses/Problem"}
    if method == "get" and path in EXAMPLES:
        answer = responses["200"]
        answer["content"]["application/json"]["example"] = EXAMPLES[path]
        answer["headers"] = {
            "ETag": {"description": "Send it as If-None-Match: 304 if nothing has changed.", "schema": _TEXT}
        }
