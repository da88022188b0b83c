"""The alerts, their runbook and the dashboard name figures that exist."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
MONITORING = ROOT / "deploy" / "monitoring"
RULES = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"][0]["rules"]


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed (Debian: prometheus)")
def test_alerts_fire_when_something_is_wrong_and_only_then():
    command = ["promtool", "test", "rules", str(MONITORING / "alerts_test.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_section_in_the_runbook():
    sections = re.findall(r"^## (Tocsin\w+)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE)
    assert sections == [rule["alert"] for rule in RULES]
    for rule in RULES:
        assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"


def test_alerts_and_dashboard_ask_for_figures_that_we_give():
    panels = json.loads((MONITORING / "grafana/dashboards/tocsin.json").read_text())["panels"]
    asked = [rule["expr"] for rule in RULES] + [each["expr"] for panel in panels for each in panel["targets"]]
    names = {name for expression in asked for name in re.findall(r"\btocsin_\w+", expression)}
    source = "".join(
        path.read_text() for room in ("services", "shared") for path in (ROOT / room).rglob("*.py")
    )
    spelt = {re.sub(r"^tocsin_|_(total|bucket)$", "", name) for name in names}
    assert {name for name in spelt if f'"{name}"' not in source and f'"tocsin_{name}"' not in source} == set()
