"""Settings of ingest."""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from shared.address_guard import ForbiddenURL, check_url
from shared.settings import ServiceSettings


class IngestSettings(ServiceSettings):
    """What ingest needs on top of every service's settings."""

    feeds_file: Path = Path("feeds.toml")
    poll_interval_min: float = Field(default=900, gt=0, description="Seconds; no feed is polled more often.")
    poll_interval_max: float = Field(
        default=3600, gt=0, description="Seconds; a quiet feed is polled this often, unless it asks for less."
    )
    recent_days: float = Field(
        default=7, gt=0, description="How old a report may be that is told of a feed read for the first time."
    )
    host_pause: float = Field(
        default=1,
        ge=0,
        description="Seconds between two requests to one host, of all ingest processes together.",
    )
    probe_validators: bool = Field(
        default=True,
        description="Ask a server that never proved honest without conditions, once in three days at most.",
    )
    websub: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="Let hubs push what is new; auto: if TOCSIN_PUBLIC_URL is a public address.",
    )
    poll_concurrency: int = Field(default=16, ge=1, le=1000)
    parse_workers: int = Field(
        default=2, ge=1, le=64, description="At most; a second one is started while documents wait."
    )
    fetch_timeout: float = Field(
        default=30, gt=0, description="Seconds for one document, redirects included."
    )
    max_feed_bytes: int = Field(default=10_000_000, ge=1000, description="After decompression.")
    contact_url: str | None = Field(
        default=None, description="Goes into the User-Agent, for people who find us in their logs."
    )

    @field_validator("poll_interval_max")
    @classmethod
    def _is_no_less(cls, value: float, info: ValidationInfo) -> float:
        if value < info.data.get("poll_interval_min", 0):
            raise ValueError("must be no less than TOCSIN_POLL_INTERVAL_MIN")
        return value

    @field_validator("contact_url")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        if value is None or (value.startswith(("http://", "https://", "mailto:")) and value.isprintable()):
            return value
        raise ValueError("must begin with http://, https:// or mailto:")

    @property
    def contact(self) -> str:
        """Where someone who runs a feed can find out about us."""
        return self.contact_url or self.public_url

    @property
    def takes_pushes(self) -> bool:
        """Whether hubs can reach us, as far as one can tell from here."""
        return self._is_public if self.websub == "auto" else self.websub == "on"

    @property
    def can_be_reached(self) -> bool:
        """Whether the User-Agent says how to reach whoever runs this installation."""
        return self.contact_url is not None or self._is_public

    @property
    def _is_public(self) -> bool:
        try:
            check_url(self.public_url)
        except ForbiddenURL:
            return False
        return True
