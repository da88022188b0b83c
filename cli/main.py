"""The `tocsin` command: what runs for long is run at once, anything else is for `cli.commands`.

A service needs nothing of what makes a command line comfortable, and would carry it in memory for as long as it runs.
"""

import errno
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, TypeVar

from shared.settings import ServiceSettings, SettingsError, load

if TYPE_CHECKING:
    from shared.service import App

CANNOT_START = 2

S = TypeVar("S", bound=ServiceSettings)


def run() -> None:
    """Run everything here: all services, pages on 127.0.0.1:8000, and a Redis unless TOCSIN_REDIS_URL names one."""
    from cli import supervisor
    from cli.check import findings_here, misspelt

    if wrong := [f"{each.subject}: {each.detail}" for each in findings_here() if each.good is False]:
        raise SettingsError("\n".join(wrong))
    for each in misspelt():
        print(f"tocsin: {each.subject}: {each.detail}", file=sys.stderr)
    settings = load(ServiceSettings)
    _leave_out_metrics(settings)
    raise SystemExit(supervisor.run(settings, SERVICES))


def ingest() -> None:
    """Run ingest: feeds -> reports.published.v1."""
    _serve("ingest")


def classify() -> None:
    """Run classify: reports.published.v1 -> reports.tagged.v1."""
    _serve("classify")


def notify() -> None:
    """Run notify: reports.tagged.v1 -> webhooks and mails."""
    _serve("notify")


def api() -> None:
    """Run the HTTP service: pages, subscriptions, reports."""
    _serve("api")


def _serve(name: str) -> None:
    kind: type[ServiceSettings] = getattr(
        import_module(f"services.{name}.settings"), f"{name.title()}Settings"
    )
    settings = prepare(name, kind)
    make_app: Callable[[ServiceSettings], App] = import_module(f"services.{name}.app").make_app
    from shared.service import run_app

    run_app(make_app(settings))


def prepare(service: str, kind: type[S]) -> S:
    """Return the settings of a service, with logging as they say; call it before the service is imported."""
    settings = load(kind)
    _leave_out_metrics(settings)
    from shared.service import configure_logging

    configure_logging(settings, service)
    return settings


def _leave_out_metrics(settings: ServiceSettings) -> None:
    if not settings.otlp_endpoint:
        # redis-py would take two megabytes of it along, for figures that nobody asked for.
        sys.modules["opentelemetry.sdk"] = None  # type: ignore[assignment]


SERVICES = {"ingest": ingest, "classify": classify, "notify": notify, "api": api}
LONG_RUNNING = {"run": run, **SERVICES}


def main() -> None:
    """Run the command; a wrong setting is one clear message and exit status 2."""
    try:
        name = sys.argv[1] if len(sys.argv) == 2 else ""
        if name in LONG_RUNNING:
            # Not there, for a service: structlog would take four megabytes of rich along, to colour what is never
            # printed, redis-py two of OpenTelemetry's metrics, where that is installed, and FastStream two of uvicorn.
            unused = {"rich", "opentelemetry.sdk.metrics", *([] if name in ("api", "run") else ["uvicorn"])}
            sys.modules.update(dict.fromkeys(unused))  # type: ignore[arg-type]
            LONG_RUNNING[name]()
        else:
            from cli.commands import app

            app()
    except SettingsError as e:
        print(f"tocsin: {e}", file=sys.stderr)
        raise SystemExit(CANNOT_START) from None
    except OSError as e:
        if e.errno != errno.ENOSPC:
            raise
        print(f"tocsin: {e.strerror}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        # Ctrl-C before anything runs that could end in order.
        raise SystemExit(128 + signal.SIGINT) from None


if __name__ == "__main__":
    main()
