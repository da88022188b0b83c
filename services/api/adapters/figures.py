"""Figures for Prometheus: what Redis knows of the installation at this moment, in the text format."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from itertools import accumulate
from typing import Any, get_args

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families

from services.api.adapters.feeds import read_feeds
from services.api.adapters.readiness import SERVICES, running_services
from services.api.core.feed_health import Condition
from shared.bus import Bus
from shared.counters import BUCKET, BUCKETS, SUM
from shared.deliveries import DeliveryLog
from shared.groups import read_groups
from shared.redis_client import RedisClient, on_every_master

PREFIX = "tocsin_"
FEEDS_SHOWN = 2000
DELIVERED = "delivered_seconds"

Labels = tuple[tuple[str, str], ...]


class _Once(CollectorRegistry):
    """Hands over figures that were read already: reading them needs an event loop, a registry has none."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        super().__init__()
        self._metrics = list(metrics)

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics


async def read_figures(bus: Bus, uptime: float) -> bytes:
    """Return the figures in Prometheus' text format 0.0.4. `uptime` is of this process, in seconds."""
    await bus.counters.flush(bus.redis)
    metrics = [
        *await _counters(bus),
        *await _streams(bus),
        *await _feeds(bus),
        *await _redis(bus.redis),
        *await _versions(bus),
        *await _sizes(bus),
        _gauge("api_uptime_seconds", "Since this process began to serve.", uptime),
    ]
    return generate_latest(_Once(metrics))


async def _counters(bus: Bus) -> list[Metric]:
    """What the services have counted; the buckets of a histogram are counted by themselves."""
    rows: Any = await bus.redis.hgetall(bus.names.counters)
    families: dict[str, CounterMetricFamily] = {}
    durations: dict[str, dict[Labels, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for raw, value in sorted(rows.items()):
        name, labels = _read_counter(raw.decode())
        if name.endswith((BUCKET, SUM)):
            bound = labels.pop("le", SUM)
            base = name.removesuffix(BUCKET).removesuffix(SUM)
            durations[base][tuple(labels.items())][bound] = float(value)
            continue
        family = families.setdefault(
            name, CounterMetricFamily(PREFIX + name, "Counted since the installation began.")
        )
        family.add_sample(f"{PREFIX}{name}_total", labels, float(value))
    return [*families.values(), *(_histogram(name, rows) for name, rows in durations.items())]


def _histogram(name: str, rows: Mapping[Labels, Mapping[str, float]]) -> Metric:
    labels = [key for key, _ in next(iter(rows))]
    family = HistogramMetricFamily(PREFIX + name, "Durations since the installation began.", labels=labels)
    bounds = (*(f"{bound:g}" for bound in BUCKETS), "+Inf")
    for of_labels, counted in rows.items():
        upto = accumulate(counted.get(bound, 0) for bound in bounds)
        buckets = list(zip(bounds, upto, strict=True))
        family.add_metric([value for _, value in of_labels], buckets, counted.get(SUM, 0) / 1e6)
    return family


async def read_delays(bus: Bus) -> list[tuple[str, int]]:
    """Return how many alerts were accepted within so many seconds of our seeing the report, bucket by bucket."""
    rows: Any = await bus.redis.hgetall(bus.names.counters)
    counted: Counter[str] = Counter()
    for raw, value in rows.items():
        if raw.startswith(DELIVERED.encode()):
            name, labels = _read_counter(raw.decode())
            if name == DELIVERED + BUCKET:
                counted[labels["le"]] += int(value)
    return [(bound, counted[bound]) for bound in (*(f"{bound:g}" for bound in BUCKETS), "+Inf")]


def _read_counter(spelt: str) -> tuple[str, dict[str, str]]:
    """A counter is spelt as Prometheus would: name{label="value"}."""
    [family] = text_string_to_metric_families(f"{spelt} 0\n")
    return family.samples[0].name, dict(family.samples[0].labels)


async def _streams(bus: Bus) -> list[Metric]:
    groups = [((group.stream, group.name), group) async for group in read_groups(bus.redis, bus.names)]
    lengths = [((stream,), await bus.redis.xlen(stream)) for stream in bus.names.streams]
    dead = [((stream,), await bus.redis.xlen(bus.names.dead(stream))) for stream in bus.names.streams]
    pending = [(key, group.pending) for key, group in groups]
    lag = [(key, group.lag) for key, group in groups if group.lag is not None]
    oldest = [(key, group.oldest) for key, group in groups]
    age = "Age of the oldest entry that a group has not acknowledged; 0 if there is none."
    return [
        _gauges("stream_entries", "Entries on a stream.", lengths, "stream"),
        _gauges("dead_letters", "Messages that no service could handle.", dead, "stream"),
        _gauges("stream_pending", "Read and not acknowledged.", pending, "stream", "group"),
        _gauges("stream_lag", "Not read yet, where Redis knows.", lag, "stream", "group"),
        _gauges("stream_oldest_unacknowledged_seconds", age, oldest, "stream", "group"),
    ]


async def _sizes(bus: Bus) -> list[Metric]:
    redis, names = bus.redis, bus.names
    reports = int(await redis.zcard(names.reports))
    subscriptions: Any = await redis.hlen(names.subscriptions)
    later = await DeliveryLog(bus).waiting()
    return [
        _gauge("reports", "Tagged reports that are kept.", reports),
        _gauge("subscriptions", "Subscriptions in any state.", subscriptions),
        _gauge(
            "deliveries_later", "Deliveries that wait for their next attempt or for their endpoint.", later
        ),
    ]


def _gauge(name: str, meaning: str, value: float) -> Metric:
    return _gauges(name, meaning, [((), value)])


def _gauges(name: str, meaning: str, rows: Iterable[tuple[Sequence[str], float]], *labels: str) -> Metric:
    gauge = GaugeMetricFamily(PREFIX + name, meaning, labels=labels)
    for values, value in rows:
        gauge.add_metric(values, value)
    return gauge


async def _feeds(bus: Bus) -> list[Metric]:
    """Feeds by their condition, and for each the time of its last success; its id is in /v1/feeds and on /status."""
    feeds = await read_feeds(bus)
    counted = Counter(feed.condition for feed in feeds)
    conditions = [((name,), counted[name]) for name in get_args(Condition)]
    read = [
        ((feed.id,), feed.last_success.timestamp())
        for feed in feeds[:FEEDS_SHOWN]
        if feed.enabled and feed.last_success
    ]
    return [
        _gauges("feeds", "Feeds by condition.", conditions, "condition"),
        _gauges("feed_last_success_timestamp_seconds", "When a feed was last read.", read, "feed"),
    ]


async def _redis(redis: RedisClient) -> list[Metric]:
    masters = await on_every_master(redis, "INFO")
    # Of a cluster, the one that is nearest to its limit.
    memory: Any = max(masters, key=lambda about: about["used_memory"] / (about["maxmemory"] or 1))
    written = all(about["aof_enabled"] and about["aof_last_write_status"] == "ok" for about in masters)
    return [
        _gauge("redis_memory_bytes", "What Redis uses.", memory["used_memory"]),
        _gauge("redis_memory_limit_bytes", "maxmemory of Redis; 0 is no limit.", memory["maxmemory"]),
        _gauge("redis_append_only_ok", "1 if Redis writes its append-only file.", int(bool(written))),
    ]


async def _versions(bus: Bus) -> list[Metric]:
    counted = Counter(await running_services(bus))
    running = [((service,), counted[service]) for service in SERVICES]
    broken = await bus.redis.exists(bus.names.rulebook_problem)
    return [
        _gauges("build_info", "What runs here.", [((version("tocsin"),), 1)], "version"),
        _gauges("instances", "Processes that run now.", running, "service"),
        _gauge("rulebook_refused", "1 while an edited rulebook is refused: /status says why.", broken),
    ]
