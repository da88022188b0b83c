"""compose.yaml: every container is locked down, and every setting of .env.example reaches its service."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.check import OF_COMPOSE
from services.api.settings import ApiSettings
from services.classify.settings import ClassifySettings
from services.ingest.settings import IngestSettings
from services.notify.settings import NotifySettings
from shared.settings import ServiceSettings

ROOT = Path(__file__).parent.parent.parent
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
CADDY = yaml.safe_load((ROOT / "compose.override.example.yaml").read_text())["services"]["caddy"]
CONTAINERS: dict[str, dict[str, Any]] = {**COMPOSE["services"], "caddy": CADDY}
KINDS: dict[str, type[ServiceSettings]] = {
    "ingest": IngestSettings,
    "classify": ClassifySettings,
    "notify": NotifySettings,
    "api": ApiSettings,
}
OF_THE_IMAGE = {"TOCSIN_DATA_DIR", "TOCSIN_ALIVE_FILE", "TOCSIN_HTTP_HOST"}
SETTING = re.compile(r"\$\{(TOCSIN_\w+)")


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_can_do_no_more_than_it_must(name: str) -> None:
    it = CONTAINERS[name]
    assert it["read_only"]
    assert it["cap_drop"] == ["ALL"]
    assert it["security_opt"] == ["no-new-privileges:true"]
    assert it["init"]
    assert it["mem_limit"]
    assert it["pids_limit"]
    assert it["logging"]["options"]["max-file"]
    published = it.get("ports", [])
    assert name == "caddy" or all(port.startswith("127.0.0.1:") for port in published)
    # The images of Prometheus and Grafana are no root's already; Caddy's has no other user.
    assert it.get("user", "0").split(":")[0] != "0" or name in ("prometheus", "grafana", "caddy")


def test_redis_and_classify_have_no_way_out() -> None:
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert COMPOSE["services"]["redis"]["networks"] == ["inside"]
    assert COMPOSE["services"]["classify"]["networks"] == ["inside"]


@pytest.mark.parametrize("service", KINDS)
def test_every_setting_reaches_its_service(service: str) -> None:
    known = {f"TOCSIN_{name}".upper() for name in KINDS[service].model_fields}
    handed_on = set(COMPOSE["services"][service]["environment"])
    assert known - handed_on <= OF_THE_IMAGE
    assert handed_on - known == {"TOCSIN_SECRETS_DIR"}


def test_check_knows_what_only_compose_reads() -> None:
    files = [*ROOT.glob("compose*.yaml"), ROOT / "deploy" / "stream.yaml"]
    asked = {name for path in files for name in SETTING.findall(path.read_text())}
    known = {f"TOCSIN_{name}".upper() for kind in KINDS.values() for name in kind.model_fields}
    assert [name for name in asked - known if not OF_COMPOSE.fullmatch(name)] == []
