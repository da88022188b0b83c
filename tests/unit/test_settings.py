"""Settings: every one is documented, secrets come from files, what is wrong is named all at once."""

import re
from pathlib import Path

import pytest

from services.api.settings import ApiSettings
from services.classify.settings import ClassifySettings
from services.ingest.settings import IngestSettings
from services.notify.settings import NotifySettings
from shared.settings import ServiceSettings, SettingsError, load

ROOT = Path(__file__).parent.parent.parent
KINDS: tuple[type[ServiceSettings], ...] = (IngestSettings, ClassifySettings, NotifySettings, ApiSettings)


def test_every_setting_is_in_the_example_and_nothing_else_is() -> None:
    known = {f"TOCSIN_{name}".upper() for kind in KINDS for name in kind.model_fields}
    shown = set(re.findall(r"^#? ?(TOCSIN_\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert shown == known


def test_the_example_as_it_is_is_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    defaults = [load(kind) for kind in KINDS]
    (tmp_path / ".env").write_text((ROOT / ".env.example").read_text())
    assert [load(kind) for kind in KINDS] == defaults


def test_a_secret_is_read_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "url").write_text("redis://:secret@host:6379/0\n")
    monkeypatch.setenv("TOCSIN_REDIS_URL_FILE", str(tmp_path / "url"))
    settings = load(ServiceSettings)
    assert settings.require_redis_url() == "redis://:secret@host:6379/0"
    assert "secret" not in repr(settings)


def test_files_of_secrets_may_be_named_in_dotenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "made").mkdir()
    (tmp_path / "token").write_text("one of the admin\n")
    (tmp_path / "made/tocsin_metrics_token").write_text("one of the figures")
    (tmp_path / ".env").write_text("TOCSIN_ADMIN_TOKEN_FILE=token\nTOCSIN_SECRETS_DIR=made\n")
    settings = load(ApiSettings)
    tokens = [each and each.get_secret_value() for each in (settings.admin_token, settings.metrics_token)]
    assert tokens == ["one of the admin", "one of the figures"]
    monkeypatch.setenv("TOCSIN_ADMIN_TOKEN", "the environment goes before")
    admin = load(ApiSettings).admin_token
    assert admin
    assert admin.get_secret_value() == "the environment goes before"
    (tmp_path / ".env").write_text("TOCSIN_BOUNCE_TOKEN_FILE=token\nTOCSIN_BOUNCE_TOKEN=both\n")
    with pytest.raises(SettingsError, match="one of them must go"):
        load(ApiSettings)


@pytest.mark.parametrize(
    ("host", "url"),
    [("::", "http://127.0.0.1:8000"), ("::1", "http://[::1]:8000"), ("0.0.0.0", "http://127.0.0.1:8000")],
)
def test_links_lead_to_where_the_pages_are_if_nothing_else_is_said(host: str, url: str) -> None:
    assert ServiceSettings(http_host=host).public_url == url


def test_every_wrong_setting_is_named_and_no_value_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_RETENTION_DAYS", "forever-secret")
    monkeypatch.setenv("TOCSIN_HTTP_PORT", "99999")
    with pytest.raises(SettingsError) as caught:
        load(ServiceSettings)
    named = {line.split(":")[0] for line in str(caught.value).splitlines()}
    assert {"TOCSIN_RETENTION_DAYS", "TOCSIN_HTTP_PORT"} <= named
    assert "secret" not in str(caught.value)


def test_without_redis_the_message_says_what_to_do() -> None:
    with pytest.raises(SettingsError, match="tocsin run"):
        ServiceSettings(redis_url=None).require_redis_url()


def test_no_hub_is_asked_to_push_to_this_machine_although_its_network_is_opened() -> None:
    settings = IngestSettings(public_url="http://127.0.0.1:8000", allow_hosts="127.0.0.0/8")  # type: ignore[arg-type]
    assert not settings.takes_pushes
    assert not settings.can_be_reached
