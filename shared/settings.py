"""Settings that every service shares, read once from `TOCSIN_*` in the environment, `.env` and secret files."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, TypeVar

from dotenv import dotenv_values
from dotenv.parser import parse_stream
from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

from shared.names import Names
from shared.setting_shapes import Networks, Prefix, RedisURL, WebAddress, shape_of, web_address

PREFIX = "TOCSIN_"
SECRETS_DIR = "/run/secrets"
MADE_SECRETS = "TOCSIN_SECRETS_DIR"
"""Names a folder of secrets that were made for this installation; those of SECRETS_DIR go before."""
DOTENV = Path(".env")


class SettingsError(Exception):
    """Settings, or files that they name, are wrong. The message names each in a line, and what would be right."""


class _NamedFiles(PydanticBaseSettingsSource):
    """`TOCSIN_X_FILE=/path` gives TOCSIN_X the file's content. What cannot be read is for `_file_problems`."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        path = named_file(field_name)
        with suppress(OSError, ValueError):
            return (path.read_text().strip() if path else None), field_name, False
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        values = {name: self.get_field_value(None, name)[0] for name in self.settings_cls.model_fields}
        return {name: value for name, value in values.items() if value is not None}


class ServiceSettings(BaseSettings):
    """What each service needs. A service adds its own in its `settings.py`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=DOTENV,
        env_ignore_empty=True,
        validate_default=True,
        extra="ignore",
        frozen=True,
        allow_inf_nan=False,
    )

    redis_url: RedisURL | None = None
    key_prefix: Prefix = "tocsin:"
    data_dir: Path = Path("data")
    retention_days: float = Field(default=30, gt=0, le=3650)
    allow_hosts: Networks = ()
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8000, ge=1, le=65535)
    public_url: str = ""
    log_format: Literal["console", "json"] = "console"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    reclaim_after: float = Field(default=30, gt=0)
    max_deliveries: int = Field(default=5, ge=1)
    otlp_endpoint: WebAddress = ""
    alive_file: Path | None = None

    @field_validator("key_prefix")
    @classmethod
    def _one_slot(cls, value: str, info: ValidationInfo) -> str:
        url = info.data.get("redis_url")
        if url and "+cluster://" in url.get_secret_value() and not re.match(r"\{[^{}]+\}", value):
            raise ValueError(
                "must begin with a hash tag on a Redis Cluster, e.g. {tocsin}: — what changes together must be on "
                "one node; to bring along what is under another prefix, `tocsin backup` and `tocsin restore`"
            )
        return value

    @field_validator("http_host")
    @classmethod
    def _bindable(cls, value: str) -> str:
        if not re.fullmatch(r"[0-9A-Za-z.:%_-]+", value):
            raise ValueError("must be an address or a name of this machine, e.g. 127.0.0.1, ::1 or 0.0.0.0")
        return value

    @field_validator("public_url")
    @classmethod
    def _absolute(cls, value: str, info: ValidationInfo) -> str:
        host, port = info.data.get("http_host", "127.0.0.1"), info.data.get("http_port", 8000)
        host = "127.0.0.1" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host  # noqa: S104
        return web_address(value or f"http://{host}:{port}")

    @field_validator("alive_file")
    @classmethod
    def _has_a_folder(cls, value: Path | None) -> Path | None:
        if value is not None and (value.is_dir() or not value.parent.is_dir()):
            raise ValueError("must be a file in a folder that exists")
        return value

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
        folders = secret_folders()
        files = SecretsSettingsSource(settings_cls, secrets_dir=folders) if folders else file_secret_settings
        return (init_settings, _NamedFiles(settings_cls), env_settings, dotenv_settings, files)


def secret_folders() -> list[Path]:
    """Return the folders that there are with a file for each secret: of the container's engine, and made by us."""
    folders = (SECRETS_DIR, os.environ.get(MADE_SECRETS) or _dotenv().get(MADE_SECRETS))
    return [Path(each) for each in folders if each and Path(each).is_dir()]


def named_file(field_name: str) -> Path | None:
    """Return the file that TOCSIN_X_FILE names for a setting. What the environment says goes before what .env says."""
    name = f"{PREFIX}{field_name}".upper()
    for place in (os.environ, _dotenv()):
        if path := place.get(f"{name}_FILE"):
            return Path(path)
        if place.get(name):
            break
    return None


def _dotenv() -> Mapping[str, str | None]:
    try:
        return dotenv_values(DOTENV, encoding="utf-8")
    except (OSError, ValueError):
        return {}  # `_file_problems` says so.


def explain(error: ValidationError) -> list[str]:
    """Return one line for each wrong setting: its name, what would be right, what it looks like; never its value."""
    lines = []
    for problem in error.errors(include_url=False):
        name = PREFIX + "_".join(str(part) for part in problem["loc"][:1]).upper()
        right = problem["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
        lines.append(f"{name}: {right} (it is {shape_of(problem['input'])})")
    return lines


def _file_problems(kind: type[ServiceSettings]) -> Iterator[str]:
    """What is wrong with the files that settings are read from."""
    for field in kind.model_fields:
        name, path = f"{PREFIX}{field}".upper(), named_file(field)
        try:
            if path and not path.read_text().strip():
                yield f"{name}_FILE: {path} is empty; it must hold the value of {name}"
        except (OSError, ValueError) as e:
            yield f"{name}_FILE: {path} cannot be read ({_reason(e)}); it must be a file with the value of {name}"
        for secret in (folder / name.lower() for folder in secret_folders()):
            try:
                if secret.is_file():
                    secret.read_text()
            except (OSError, ValueError) as e:
                yield f"{name}: {secret} cannot be read ({_reason(e)}); it must be a file with its value"
        if any(place.get(name) and place.get(f"{name}_FILE") for place in (os.environ, _dotenv())):
            yield f"{name}: is set, and {name}_FILE is too; one of them must go"
    if DOTENV.is_file():
        try:
            with DOTENV.open(encoding="utf-8") as lines:
                wrong = [each.original.line for each in parse_stream(lines) if each.error]
        except (OSError, ValueError) as e:
            yield f".env: cannot be read ({_reason(e)}); it must be lines of NAME=value in UTF-8"
        else:
            yield from (f".env: line {line} cannot be read; it must be NAME=value" for line in wrong)


def _reason(error: Exception) -> str:
    return (error.strerror or "") if isinstance(error, OSError) else "it is no text"


S = TypeVar("S", bound=ServiceSettings)


def load(kind: type[S], overrides: Mapping[str, Any] | None = None) -> S:
    """Return the settings of a service; raise SettingsError that names every wrong one."""
    problems = list(_file_problems(kind))
    try:
        settings = kind(**(overrides or {}))
    except ValidationError as e:
        problems += explain(e)
    except (OSError, ValueError) as e:
        # .env in another encoding, or not ours to read: it is among the problems.
        if not problems:
            raise SettingsError(str(e)) from e
    if problems:
        raise SettingsError("\n".join(problems))
    return settings
