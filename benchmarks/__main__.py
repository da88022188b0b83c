"""Run every measurement, print a table."""

import structlog

from benchmarks import (
    api,
    classify_stage,
    digest_rate,
    fanout,
    isolation,
    latency,
    mail_rate,
    matching,
    polling,
    preview,
    processes,
    sse,
    waiting,
    webhook_rate,
)

FEEDS = 200


def main() -> None:
    """Print each rate beside its yardstick's, and the latencies."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("error"))
    matching.measure()
    fanout.measure()
    for module in (classify_stage, webhook_rate, mail_rate):
        what, ours, yardstick = module.measure()
        print(f"{what}: {ours:,.0f}/s / {yardstick:,.0f}/s = {ours / yardstick:.2f}", flush=True)
    isolation.main()
    digest_rate.main()
    waiting.main()
    p50, p99 = latency.measure()
    print(f"published -> received at {latency.A_SECOND} reports a second: p50 {p50:.0f} ms, p99 {p99:.0f} ms")
    figures = sse.measure()
    print(
        f"tagged -> {sse.LISTENERS:,} listeners at {sse.A_SECOND} reports a second: p50 {figures['p50'] * 1000:.0f} ms,"
        f" p99 {figures['p99'] * 1000:.0f} ms, {figures['bytes'] / 1000:.0f} KB a listener"
    )
    for path, (rate, slowest) in api.measure().items():
        print(
            f"{path} with {api.STORED:,} reports: {rate:,.0f}/s; p99 {slowest * 1000:.0f} ms at {api.A_SECOND}/s"
        )
    preview.main()
    polling.main(FEEDS)
    processes.main()


if __name__ == "__main__":
    main()
