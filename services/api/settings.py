"""Settings of api."""

from pathlib import Path

from pydantic import Field, SecretStr

from shared.settings import ServiceSettings


class ApiSettings(ServiceSettings):
    """What api needs on top of every service's settings."""

    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8000, ge=0, le=65535, description="0 takes any free port.")
    admin_token: SecretStr | None = None
    metrics_token: SecretStr | None = Field(
        default=None, description="Whoever reads /metrics has to name it."
    )
    smtp_url: SecretStr | None = Field(
        default=None, description="Only to say where mails go; notify sends them."
    )
    mail_from: str = "Tocsin <tocsin@localhost>"
    signups_per_hour: int = Field(default=20, ge=1, description="From one source address.")

    @property
    def outbox(self) -> Path | None:
        """The folder that mails are written to; None if they are sent."""
        return None if self.smtp_url else (self.data_dir / "outbox").resolve()
