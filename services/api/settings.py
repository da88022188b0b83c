"""Settings of api."""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from shared.setting_shapes import Proxies, Sender, SmtpURL, Token, WebAddress
from shared.settings import ServiceSettings


class ApiSettings(ServiceSettings):
    """What api needs on top of every service's settings."""

    admin_token: Token | None = None
    metrics_token: Token | None = Field(default=None, description="Whoever reads /metrics has to name it.")
    bounce_token: Token | None = None
    smtp_url: SmtpURL | None = Field(
        default=None, description="Only to say where mails go; notify sends them."
    )
    mail_from: Sender = "Tocsin <tocsin@localhost>"
    signups_per_hour: int = Field(default=20, ge=1, description="From one source address.")
    signup: Literal["open", "token"] = Field(
        default="open", description="Who may subscribe: anybody, or whoever has the admin token."
    )
    preview_days: int = Field(default=7, ge=1, le=90, description="How far back a preview looks.")
    reads_per_minute: int = Field(
        default=6000,
        ge=1,
        description="From one source address; what is answered from memory is not counted.",
    )
    trusted_proxies: Proxies = Field(
        default="127.0.0.1,::1", description="Addresses or networks whose X-Forwarded-For is believed."
    )
    websub_hub: WebAddress = Field(default="", description="Named in the feeds that are served.")
    websub_ping: bool = Field(default=False, description="Tell that hub which feeds have changed.")
    events_clients: int = Field(default=2000, ge=1, description="Listeners of /v1/events, in one process.")

    @field_validator("signup")
    @classmethod
    def _somebody_may_sign_up(cls, value: str, info: ValidationInfo) -> str:
        token = info.data.get("admin_token")
        if value == "token" and not (token and token.get_secret_value()):
            raise ValueError("`token` needs TOCSIN_ADMIN_TOKEN: else nobody could subscribe")
        return value

    @property
    def sign_up_token(self) -> str | None:
        """What has to be shown to subscribe; None if anybody may."""
        if self.signup == "open":
            return None
        return self.admin_token.get_secret_value() if self.admin_token else ""

    @property
    def outbox(self) -> Path | None:
        """The folder that mails are written to; None if they are sent."""
        return None if self.smtp_url else (self.data_dir / "outbox").resolve()
