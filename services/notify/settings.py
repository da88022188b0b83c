"""Settings of notify."""

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from services.notify.core.schedule import DEFAULT_SCHEDULE, parse_schedule
from shared.setting_shapes import Sender, SmtpURL
from shared.settings import ServiceSettings


class NotifySettings(ServiceSettings):
    """Times in seconds."""

    smtp_url: SmtpURL | None = None
    mail_from: Sender = "Tocsin <tocsin@localhost>"
    retry_schedule: Annotated[tuple[float, ...], NoDecode] = DEFAULT_SCHEDULE
    attempt_timeout: float = Field(default=15, gt=0, le=60)
    deliver_concurrency: int = Field(default=500, ge=1, le=5000)
    endpoint_concurrency: int = Field(default=16, ge=1, le=1000)
    endpoint_rate: float = Field(default=200, gt=0)
    disable_after_days: float = Field(default=5, gt=0)
    mail_concurrency: int = Field(default=20, ge=1, le=200)
    mail_rate: float = Field(default=100, gt=0)
    mails_per_hour: int = Field(default=60, ge=1)
    smtp_password_in_clear: bool = False

    @field_validator("retry_schedule", mode="before")
    @classmethod
    def _read_schedule(cls, value: object) -> object:
        return parse_schedule(value) if isinstance(value, str) else value
