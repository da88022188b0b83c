"""Render templates. Everything is escaped; style and icon are our own files, named with a hash of their content."""

import hashlib
from datetime import datetime
from importlib import resources
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from services.api.core import wording
from services.api.core.wording import visible
from shared.catalogue import followable
from shared.feeds import rfc3339
from shared.subscriptions import FALLBACK_MINUTES

PUBLIC = {"Cache-Control": "no-cache"}
PRIVATE = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex"}
"""For pages whose address or content opens something."""

_STATIC = {
    "tocsin.css": "text/css; charset=utf-8",
    "tocsin.svg": "image/svg+xml",
    "reader.js": "text/javascript; charset=utf-8",
    # htmx 2.0.11, as it is (docs/decisions/0003).
    "htmx.min.js": "text/javascript; charset=utf-8",
}


class Pages:
    """The templates, and the files beside them."""

    def __init__(self) -> None:
        self.files = {name: _read(name) for name in _STATIC}
        self._templates = Environment(
            loader=PackageLoader("services.api.web"),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=visible,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["moment"] = wording.moment_in_words
        self._templates.filters["time"] = _time
        self._templates.filters["rfc3339"] = rfc3339
        # Where text is HTML in the eyes of who reads it: escaped once for them, once for the XML around it.
        self._templates.filters["escaped"] = lambda text: str(escape(visible(text)))
        self._templates.filters["ago"] = wording.ago
        self._templates.filters["gist"] = wording.gist
        self._templates.globals |= {
            "static": self.address_of,
            "chat_services": wording.CHAT_SERVICES,
            "followable": followable,
            "fallback_minutes": FALLBACK_MINUTES,
        }

    def address_of(self, name: str) -> str:
        """Return the address of a file; it changes with its content, so that browsers may keep it for ever."""
        return f"/static/{name}?{hashlib.sha256(self.files[name]).hexdigest()[:12]}"

    def media_type(self, name: str) -> str:
        return _STATIC[name]

    def text(self, template: str, **values: Any) -> str:
        """Return a template filled in."""
        return self._templates.get_template(template).render(values)

    def render(
        self, template: str, *, status: int = 200, private: bool = False, **values: Any
    ) -> HTMLResponse:
        """Return a page."""
        return HTMLResponse(
            self.text(template, **values), status_code=status, headers=PRIVATE if private else PUBLIC
        )


def _time(moment: datetime) -> Markup:
    """For pages: static/reader.js puts it into the reader's zone."""
    return Markup('<time datetime="{}">{}</time>').format(rfc3339(moment), wording.moment_in_words(moment))


def _read(name: str) -> bytes:
    return resources.files("services.api.web").joinpath("static", name).read_bytes()
