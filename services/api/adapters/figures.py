"""Figures for Prometheus: what Redis knows of the installation at this moment, in the text format."""

import time
from collections.abc import Iterable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from redis.asyncio import Redis

from services.api.adapters.readiness import stream_groups
from shared.bus import Bus
from shared.deliveries import DeliveryLog
from shared.names import Names

PREFIX = "tocsin_"


class _Once(Collector):
    """Hands over figures that were read already: reading them needs an event loop, the registry has none."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics

    def describe(self) -> list[Metric]:
        return []


async def read_figures(bus: Bus, uptime: float) -> bytes:
    """Return the figures in Prometheus' text format 0.0.4. `uptime` is of this process, in seconds."""
    await bus.counters.flush(bus.redis)
    metrics = [
        *await _counters(bus.redis, bus.names),
        *await _streams(bus.redis, bus.names),
        *await _sizes(bus),
        _gauge("api_uptime_seconds", "Since this process began to serve.", uptime),
    ]
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Once(metrics))
    return generate_latest(registry)


async def _counters(redis: Redis, names: Names) -> list[Metric]:
    rows: Any = await redis.hgetall(names.counters)
    families: dict[str, CounterMetricFamily] = {}
    for raw, value in sorted(rows.items()):
        name, labels = _read_counter(raw.decode())
        family = families.setdefault(
            name, CounterMetricFamily(PREFIX + name, "Counted since the installation began.")
        )
        family.add_sample(f"{PREFIX}{name}_total", labels, float(value))
    return list(families.values())


def _read_counter(spelt: str) -> tuple[str, dict[str, str]]:
    """A counter is spelt as Prometheus would: name{label="value"}."""
    [family] = text_string_to_metric_families(f"{spelt} 0\n")
    return family.samples[0].name, dict(family.samples[0].labels)


async def _streams(redis: Redis, names: Names) -> list[Metric]:
    labels = ["stream", "group"]
    lengths = GaugeMetricFamily("tocsin_stream_entries", "Entries on a stream.", labels=["stream"])
    dead = GaugeMetricFamily(
        "tocsin_dead_letters", "Messages that no service could handle.", labels=["stream"]
    )
    pending = GaugeMetricFamily("tocsin_stream_pending", "Read and not acknowledged.", labels=labels)
    lag = GaugeMetricFamily("tocsin_stream_lag", "Not read yet, where Redis knows.", labels=labels)
    oldest = GaugeMetricFamily(
        "tocsin_stream_oldest_unacknowledged_seconds",
        "Age of the oldest entry that a group has not acknowledged; 0 if there is none.",
        labels=labels,
    )
    for stream in names.streams:
        lengths.add_metric([stream], await redis.xlen(stream))
        dead.add_metric([stream], await redis.xlen(names.dead(stream)))
        for row in await stream_groups(redis, stream):
            group = row["name"].decode()
            pending.add_metric([stream, group], row["pending"])
            if row.get("lag") is not None:
                lag.add_metric([stream, group], row["lag"])
            oldest.add_metric([stream, group], await _oldest(redis, stream, row))
    return [lengths, dead, pending, lag, oldest]


async def _oldest(redis: Redis, stream: str, row: dict[str, Any]) -> float:
    """Seconds since the oldest entry was added that the group has not acknowledged, read or not."""
    ids = []
    if row["pending"]:
        summary: Any = await redis.xpending(stream, row["name"])
        ids.append(summary["min"])
    unread: Any = await redis.xrange(stream, f"({row['last-delivered-id'].decode()}", "+", count=1)
    ids += [entry_id for entry_id, _ in unread]
    added = [int(entry_id.split(b"-")[0]) / 1000 for entry_id in ids if entry_id]
    return max(0.0, time.time() - min(added)) if added else 0.0


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
    gauge = GaugeMetricFamily(PREFIX + name, meaning)
    gauge.add_metric([], value)
    return gauge
