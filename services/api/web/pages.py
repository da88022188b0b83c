"""Render templates. Everything is escaped; style and icon are our own files, named with a hash of their content."""

import hashlib
from importlib import resources
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from services.api.core import wording

PUBLIC = {"Cache-Control": "no-cache"}
PRIVATE = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex"}
"""For pages whose address or content opens something."""

_STATIC = {
    "tocsin.css": "text/css; charset=utf-8",
    "tocsin.svg": "image/svg+xml",
    "preview.js": "text/javascript; charset=utf-8",
}


class Pages:
    """The templates, and the files beside them."""

    def __init__(self) -> None:
        self.files = {name: _read(name) for name in _STATIC}
        self._templates = Environment(
            loader=PackageLoader("services.api.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["moment"] = wording.moment_in_words
        self._templates.filters["ago"] = wording.ago
        self._templates.globals["static"] = self.address_of

    def address_of(self, name: str) -> str:
        """Return the address of a file; it changes with its content, so that browsers may keep it for ever."""
        return f"/static/{name}?{hashlib.sha256(self.files[name]).hexdigest()[:12]}"

    def media_type(self, name: str) -> str:
        return _STATIC[name]

    def render(
        self, template: str, *, status: int = 200, private: bool = False, **values: Any
    ) -> HTMLResponse:
        """Return a page."""
        html = self._templates.get_template(template).render(values)
        return HTMLResponse(html, status_code=status, headers=PRIVATE if private else PUBLIC)


def _read(name: str) -> bytes:
    return resources.files("services.api.web").joinpath("static", name).read_bytes()
