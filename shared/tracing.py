"""Traces from fetch to delivery: fetch -> classify -> match -> deliver, one trace for a report's way.

Off until `TOCSIN_OTLP_ENDPOINT` is set; then OpenTelemetry is imported, and spans are sent by OTLP over HTTP. A
span's place goes from service to service as the field `traceparent` (W3C Trace Context) of a stream entry. What else
the SDK knows is set in its own way (`OTEL_TRACES_SAMPLER`, `OTEL_EXPORTER_OTLP_HEADERS`). Spans hold ids and outcomes,
never addresses or texts.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from shared.settings import SettingsError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

FIELD = "traceparent"
EXPORT_SECONDS = 3

_provider: "TracerProvider | None" = None


def begin(service: str, endpoint: str) -> None:
    """Send spans from now on, if there is an endpoint; raise SettingsError if OpenTelemetry is not installed."""
    global _provider
    if not endpoint:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as e:
        raise SettingsError(f"TOCSIN_OTLP_ENDPOINT is set, and {e.name} is not installed") from e
    resource = Resource.create({"service.name": f"tocsin-{service}", "service.version": version("tocsin")})
    _provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(f"{endpoint}/v1/traces", timeout=EXPORT_SECONDS)
    _provider.add_span_processor(BatchSpanProcessor(exporter))


def end() -> None:
    """Send what is left; it may take a few seconds."""
    global _provider
    if _provider:
        _provider.shutdown()
        _provider = None


def root(name: str, **about: str | int) -> AbstractContextManager[None]:
    """Return the span that a trace begins with."""
    return _span(name, {}, about) if _provider else nullcontext()


def follow(name: str, parent: str | None, **about: str | int) -> AbstractContextManager[None]:
    """Return a span under the one that `parent` (a traceparent) names; without one there is none."""
    return _span(name, {FIELD: parent}, about) if _provider and parent else nullcontext()


def here() -> str | None:
    """Return the traceparent of the span we are in."""
    return carried().get(FIELD)


def carried() -> dict[str, str]:
    """Return what an entry carries so that the next service's span follows this one; nothing while traces are off."""
    if not _provider:
        return {}
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    fields: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(fields)
    return {FIELD: fields[FIELD]} if FIELD in fields else {}


def note(**about: str | int) -> None:
    """Say more of the span we are in."""
    if _provider:
        from opentelemetry.trace import get_current_span

        get_current_span().set_attributes(_attributes(about))


@contextmanager
def _span(name: str, carrier: Mapping[str, str | None], about: Mapping[str, str | int]) -> Iterator[None]:
    from opentelemetry.trace import SpanKind, Status, StatusCode
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    assert _provider
    parent = TraceContextTextMapPropagator().extract(dict(carrier))
    # The words of an error may hold an address, so it is named by its kind.
    quiet: dict[str, Any] = {"record_exception": False, "set_status_on_exception": False}
    tracer = _provider.get_tracer("tocsin")
    with tracer.start_as_current_span(
        name, parent, SpanKind.CONSUMER if carrier else SpanKind.CLIENT, _attributes(about), **quiet
    ) as span:
        try:
            yield
        except Exception as e:
            span.set_status(Status(StatusCode.ERROR, type(e).__name__))
            raise


def _attributes(about: Mapping[str, str | int]) -> dict[str, str | int]:
    return {f"tocsin.{name}": value for name, value in about.items()}
