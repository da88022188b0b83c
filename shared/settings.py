"""Settings that every service shares, read once from `TOCSIN_*` in the environment, `.env` and secret files."""

import os
import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from shared.names import Names

PREFIX = "TOCSIN_"
SECRETS_DIR = "/run/secrets"

Network = IPv4Network | IPv6Network


class SettingsError(Exception):
    """One or more settings are wrong. The message names each, and what would be right."""


class _SecretFiles(PydanticBaseSettingsSource):
    """`TOCSIN_X_FILE=/path` gives TOCSIN_X the file's content."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        path = os.environ.get(f"{PREFIX}{field_name}_FILE".upper())
        return (Path(path).read_text().strip() if path else None), field_name, False

    def __call__(self) -> dict[str, Any]:
        values = {name: self.get_field_value(None, name)[0] for name in self.settings_cls.model_fields}
        return {name: value for name, value in values.items() if value is not None}


class ServiceSettings(BaseSettings):
    """What each service needs. A service adds its own in its `settings.py`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_ignore_empty=True,
        validate_default=True,
        extra="ignore",
        frozen=True,
        secrets_dir=SECRETS_DIR if Path(SECRETS_DIR).is_dir() else None,
    )

    redis_url: SecretStr | None = None
    key_prefix: str = "tocsin:"
    data_dir: Path = Path("data")
    retention_days: float = Field(default=30, gt=0)
    allow_hosts: Annotated[tuple[Network, ...], NoDecode] = ()
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8000, ge=1, le=65535)
    public_url: str = ""
    log_format: Literal["console", "json"] = "console"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    reclaim_after: float = Field(default=30, gt=0)
    max_deliveries: int = Field(default=5, ge=1)
    alive_file: Path | None = None

    @field_validator("allow_hosts", mode="before")
    @classmethod
    def _split_networks(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(ip_network(part.strip(), strict=False) for part in value.split(",") if part.strip())
        return value

    @field_validator("redis_url")
    @classmethod
    def _readable(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            _kind(value)
        return value

    @field_validator("key_prefix")
    @classmethod
    def _one_slot(cls, value: str, info: ValidationInfo) -> str:
        url = info.data.get("redis_url")
        if url and _kind(url) == "cluster" and not re.match(r"\{[^{}]+\}", value):
            raise ValueError(
                "must begin with a hash tag on a Redis Cluster, e.g. {tocsin}: — what changes together must be on "
                "one node; to bring along what is under another prefix, `tocsin backup` and `tocsin restore`"
            )
        return value

    @field_validator("public_url")
    @classmethod
    def _absolute(cls, value: str, info: ValidationInfo) -> str:
        value = value or f"http://{info.data.get('http_host')}:{info.data.get('http_port')}"
        if not value.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://, e.g. https://alerts.example.org")
        return value.rstrip("/")

    @property
    def names(self) -> Names:
        return Names(self.key_prefix)

    @property
    def retention_seconds(self) -> int:
        return int(self.retention_days * 86400)

    def require_redis_url(self) -> str:
        """Return the URL of Redis; raise SettingsError if none is set."""
        if self.redis_url is None:
            raise SettingsError(
                "TOCSIN_REDIS_URL is not set. Set it, e.g. redis://localhost:6379/0, "
                "or use `tocsin run`, which starts a Redis of its own."
            )
        return self.redis_url.get_secret_value()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (
            init_settings,
            _SecretFiles(settings_cls),
            env_settings,
            dotenv_settings,
            file_secret_settings,
        )


def _kind(url: SecretStr) -> str:
    # Only here: whoever has no Redis does without its client.
    from shared.redis_client import read_url

    return read_url(url.get_secret_value()).kind


def explain(error: ValidationError) -> str:
    """Return one line for each wrong setting: its name and what would be right; never its value."""
    lines = []
    for problem in error.errors(include_input=False, include_url=False):
        name = PREFIX + "_".join(str(part) for part in problem["loc"][:1]).upper()
        lines.append(f"{name}: {problem['msg']}")
    return "\n".join(lines)


S = TypeVar("S", bound=ServiceSettings)


def load(kind: type[S], overrides: Mapping[str, Any] | None = None) -> S:
    """Return the settings of a service; raise SettingsError that names every wrong one."""
    try:
        return kind(**(overrides or {}))
    except ValidationError as e:
        raise SettingsError(explain(e)) from e
    except (OSError, ValueError) as e:
        raise SettingsError(str(e)) from e
