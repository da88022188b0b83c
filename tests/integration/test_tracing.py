"""One trace from fetch to delivery, at a real OTLP receiver; without an endpoint nothing is imported."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from shared import tracing
from tests.chaos.world import running_world, subscribe
from tests.processes import HttpServer, Item, until

WAY = ["fetch", "classify chaos:reports.published.v1", "notify chaos:reports.tagged.v1", "deliver"]


class Collector(HttpServer):
    """Takes spans, as an OpenTelemetry collector does."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[str, Span]] = []
        self.app.router.add_post("/v1/traces", self._take)

    async def _take(self, request: web.Request) -> web.Response:
        for sent in ExportTraceServiceRequest.FromString(await request.read()).resource_spans:
            service = next(
                each.value.string_value for each in sent.resource.attributes if each.key == "service.name"
            )
            self.sent += [(service, span) for scope in sent.scope_spans for span in scope.spans]
        return web.Response()

    def way_to(self, span: Span) -> Iterator[tuple[str, Span]]:
        """From a span up to its trace's first."""
        for service, each in self.sent:
            if (each.trace_id, each.span_id) == (span.trace_id, span.parent_span_id):
                yield service, each
                yield from self.way_to(each)


async def test_a_report_is_one_trace_from_fetch_to_delivery(tmp_path: Path) -> None:
    collector = Collector()
    await collector.start()
    traced = {"TOCSIN_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.port}", "OTEL_BSP_SCHEDULE_DELAY": "50"}
    async with running_world(tmp_path, **traced) as world:
        await world.start(feeds=1)
        who = await subscribe(world, "secretive", {"query": "families"})
        world.services.start("ingest")
        world.feeds.items["0"].append(Item("Several families fled", "Families fled over the river.", "fled"))
        await until(lambda: world.sink.reports(who))
        await until(lambda: any(span.name == "deliver" for _, span in collector.sent))
        [delivered] = [span for _, span in collector.sent if span.name == "deliver"]
        await until(lambda: len(list(collector.way_to(delivered))) == len(WAY) - 1)
        way = [*reversed(list(collector.way_to(delivered))), ("tocsin-notify", delivered)]
        assert [span.name for _, span in way] == WAY
        assert [service for service, _ in way] == [
            f"tocsin-{name}" for name in ("ingest", "classify", "notify", "notify")
        ]
        said = "\n".join(str(span) for _, span in collector.sent)
        [report] = world.sink.reports(who)
        assert report in said
        assert not [word for word in ("secretive", "amilies", "127.0.", "http", ".xml") if word in said]
    await collector.stop()


async def test_a_receiver_that_is_away_stops_nobody() -> None:
    tracing.begin("test", "http://127.0.0.1:1")
    with tracing.root("work"):
        assert tracing.here()
    tracing.end()
    assert tracing.here() is None


def test_without_an_endpoint_nothing_is_imported() -> None:
    work = """
import sys
from cli.main import prepare
from services.notify.settings import NotifySettings
prepare("notify", NotifySettings)
from services.notify import app
from services.api import app
from shared import tracing
tracing.begin("test", "")
with tracing.root("a"), tracing.follow("b", "00-" + "1" * 32 + "-" + "2" * 16 + "-01"):
    tracing.note(c=1)
    assert tracing.carried() == {}
tracing.end()
print([name for name, module in sys.modules.items() if name.startswith("opentelemetry.sdk") and module])
"""
    done = subprocess.run([sys.executable, "-c", work], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
