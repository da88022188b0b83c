"""FastStream as we use it: it reads streams, in batches, over the client that the process has anyway."""

from collections.abc import Awaitable, Callable
from typing import Any

from faststream import AckPolicy
from faststream.redis import RedisBroker, StreamSub
from faststream.redis.configs.state import ConnectionState
from faststream.redis.message import RedisBatchStreamMessage

from shared.entries import BLOCK_MS, Entry
from shared.redis_client import RedisClient


class _Given(ConnectionState[Any]):
    """A connection of FastStream's that is ours: to one server, a cluster, or whatever master there is."""

    def __init__(self, client: RedisClient) -> None:
        super().__init__()
        self._client = client

    async def connect(self) -> Any:
        self._connected = True
        return self._client

    async def disconnect(self) -> None:
        """The bus closes its client itself."""
        self._connected = False


def make_broker(client: RedisClient, patience: float) -> RedisBroker:
    """Return a broker that reads with a client, and waits `patience` seconds for handlers when it is stopped."""
    broker = RedisBroker(logger=None, apply_types=False, graceful_timeout=patience)  # type: ignore[arg-type]
    broker.config.broker_config.connection = _Given(client)
    return broker


def read_stream(
    broker: RedisBroker,
    stream: str,
    group: str,
    consumer: str,
    *,
    batch: int,
    handler: Callable[[list[Entry]], Awaitable[None]],
) -> Any:
    """Return a subscriber that hands over up to `batch` entries at a time, once it is started."""
    subscriber: Any = broker.subscriber(
        stream=StreamSub(
            stream,
            group=group,
            consumer=consumer,
            batch=True,
            max_records=batch,
            polling_interval=BLOCK_MS,
        ),
        parser=_parse,
        decoder=_decode,
        ack_policy=AckPolicy.MANUAL,
    )
    subscriber(handler)
    return subscriber


async def _parse(message: Any) -> RedisBatchStreamMessage:
    # FastStream's own parser expects its binary envelope, and mistakes some plain JSON for it.
    return RedisBatchStreamMessage(raw_message=message, body=b"", consumer=None, group=None)  # type: ignore[arg-type]


async def _decode(message: Any) -> list[Entry]:
    raw = message.raw_message
    return [
        Entry(raw["channel"], entry_id.decode(), fields)
        for entry_id, fields in zip(raw["message_ids"], raw["data"], strict=True)
    ]
