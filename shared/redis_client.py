"""Where Redis is, and a client for it: one server, a Redis Cluster, or the master that Sentinels name.

    redis://[user:password@]host[:port][/database]            rediss:// is the same over TLS, with each of these
    redis+cluster://[user:password@]host:port,host:port
    redis+sentinel://[user:password@]sentinel:port,sentinel:port/SERVICE[/database]

redis-py types every answer as a union over protocol versions, sync and async, bytes and text. Ours is always the
asyncio client without decoding (answers are bytes), which its types cannot say; so the type is open.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeAlias
from urllib.parse import urlsplit

import hiredis
from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, ClusterPipeline, RedisCluster
from redis.asyncio.connection import SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import AuthenticationError, RedisClusterException, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

RedisClient: TypeAlias = Any
Argument = str | bytes | int | float
Command = tuple[Argument, ...]
"""One Redis command, e.g. ("XADD", stream, "*", "type", …). The key is its second element."""

_FAILED = (RedisConnectionError, RedisTimeoutError, ConnectionResetError)
_AT_ONCE = """
local answers, at = {}, 1
while at <= #ARGV do
  local n = tonumber(ARGV[at])
  answers[#answers + 1] = redis.call(unpack(ARGV, at + 1, at + n))
  at = at + n + 1
end
return answers"""


class RedisURLError(ValueError):
    """A URL that names no Redis. The message says what would be right, and never holds the URL."""


class Place(NamedTuple):
    """What a URL says. `nodes` are of the cluster, or the Sentinels; `service` is what they call the master."""

    kind: Literal["one", "cluster", "sentinel"]
    nodes: tuple[tuple[str, int], ...]
    service: str
    options: dict[str, Any]


def read_url(url: str) -> Place:
    """Return where Redis is; raise RedisURLError."""
    scheme, _, rest = url.partition("://")
    base, _, kind = scheme.partition("+")
    try:
        if kind not in ("cluster", "sentinel"):
            return Place("one", (), "", dict(parse_url(url)))
        authority, _, path = rest.partition("/")
        who, at, hosts = authority.rpartition("@")
        path, _, query = path.partition("?")
        service, _, database = path.partition("/") if kind == "sentinel" else ("", "", path)
        nodes = tuple(_node(each, 26379 if kind == "sentinel" else 6379) for each in hosts.split(","))
        options: dict[str, Any] = dict(parse_url(f"{base}://{who}{at}host/{database}?{query}"))
    except ValueError as e:
        raise RedisURLError(
            "must be redis://host:port/0, redis+cluster://host:port,host:port or "
            "redis+sentinel://host:port,host:port/SERVICE; rediss… for TLS"
        ) from e
    if kind == "sentinel" and not service:
        raise RedisURLError("redis+sentinel:// needs what the Sentinels call the master: …host:port/SERVICE")
    if kind == "cluster" and options.pop("db", 0):
        raise RedisURLError("a Redis Cluster has no databases: leave out what follows the hosts")
    if options.pop("connection_class", None) is SSLConnection:
        options["ssl"] = True
    del options["host"]
    return Place("cluster" if kind == "cluster" else "sentinel", nodes, service, options)


def _node(text: str, port: int) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError("no host")
    return parts.hostname, parts.port or port


def make_client(url: str, *, tries: int = 20, timeout: float = 10) -> RedisClient:
    """Return a client that connects when it is first used; raise RedisURLError.

    A command that fails for want of a connection is tried again `tries` times, for some seconds: every script here
    may safely run twice, so a lost answer is simply asked for again.
    """
    place = read_url(url)
    options: dict[str, Any] = {
        "socket_timeout": timeout,
        "socket_connect_timeout": min(timeout, 5),
        "max_connections": 200,
        "retry": Retry(ExponentialWithJitterBackoff(base=0.05, cap=1), tries),
        "retry_on_error": list(_FAILED) if tries else [],
    } | place.options
    match place.kind:
        case "cluster":
            nodes = [ClusterNode(host, port) for host, port in place.nodes]
            return Cluster(startup_nodes=nodes, require_full_coverage=False, **options)
        case "sentinel":
            client = _master_of(place, options)
        case "one":
            client = Redis.from_url(url, **{**options, **place.options})
    pool: Any = client.connection_pool
    pool.connection_class = _quick(pool.connection_class)
    return client


def _master_of(place: Place, options: dict[str, Any]) -> RedisClient:
    """A client that asks the Sentinels at each new connection who the master is."""
    tls = {name: value for name, value in place.options.items() if name.startswith("ssl")}
    asked = {"socket_timeout": 1, "socket_connect_timeout": 1, **tls}
    sentinel: Any = Sentinel(place.nodes, sentinel_kwargs=asked, **options)  # type: ignore[no-untyped-call]
    client: RedisClient = sentinel.master_for(place.service)
    kind: Any = client.connection_pool.connection_class

    class Connection(kind):  # type: ignore[misc]
        async def connect_check_health(
            self, check_health: bool = True, retry_socket_connect: bool = True
        ) -> None:
            # redis-py asks the Sentinels for a new connection, but one that broke tries the dead master on and on.
            if not self.is_connected and retry_socket_connect:
                self.host, self.port = await self.connection_pool.get_master_address()
            await super().connect_check_health(check_health, retry_socket_connect=False)

    client.connection_pool.connection_class = Connection
    close = client.aclose

    async def close_all() -> None:
        await close()
        for each in sentinel.sentinels:
            await each.aclose()

    client.aclose = close_all
    return client


def _quick(kind: Any) -> Any:
    """Let hiredis write the commands. redis-py uses it for reading only, and takes longer to write a script's
    arguments than Redis to run it."""

    class Connection(kind):  # type: ignore[misc]
        def pack_command(self, *args: Any) -> list[bytes]:
            return [hiredis.pack_command((*args[0].split(), *args[1:]))]

    return Connection


def _of_cluster(kind: Any) -> Any:
    """Let what another task has closed be a lost connection, which is tried again.

    When a node is lost redis-py closes its connections, also those in use, and their users meet None.
    """

    class Connection(kind):  # type: ignore[misc]
        async def send_packed_command(self, *args: Any, **named: Any) -> None:
            try:
                await super().send_packed_command(*args, **named)
            except AttributeError as e:
                raise RedisConnectionError("the connection was closed while it was written to") from e

        async def read_response(self, *args: Any, **named: Any) -> Any:
            try:
                return await super().read_response(*args, **named)
            except AttributeError as e:
                raise RedisConnectionError("the connection was closed while it was read from") from e

    return Connection


class Cluster(RedisCluster):
    """A client of a Redis Cluster that fails and waits as one of a single server does."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        kind = _of_cluster(_quick(self.connection_kwargs["connection_class"]))
        self.connection_kwargs["connection_class"] = kind
        for node in self.startup_nodes:
            node.connection_class = kind

    async def initialize(self, *args: Any, **named: Any) -> "Cluster":
        """Learn who has which slots; after a failure wait a little first.

        redis-py asks again at once, and would be through with its tries long before a replica has taken over.
        """
        if named.get("last_failed_node_name"):
            await asyncio.sleep(0.5)
        try:
            await super().initialize(*args, **named)
        except RedisClusterException as e:
            if isinstance(e.__cause__, AuthenticationError):
                raise e.__cause__ from e
            raise RedisConnectionError(str(e)) from e
        return self

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        try:
            return await super().execute_command(*args, **options)
        except RedisClusterException as e:
            raise _as_redis_error(e) from e

    def pipeline(self, transaction: Any = None, shard_hint: Any = None) -> "_Pipeline":  # noqa: ARG002
        # redis-py's transactions on a cluster run an event loop in a thread for each command: see `at_once`.
        assert not transaction
        return _Pipeline(self)  # type: ignore[abstract]

    async def ping(self, **_: Any) -> Any:
        """Ask one node: a replica that is down is no reason not to work."""
        return await super().ping(target_nodes=self.DEFAULT_NODE)


class _Pipeline(ClusterPipeline):
    async def execute(self, raise_on_error: bool = True, allow_redirections: bool = True) -> list[Any]:
        try:
            return await super().execute(raise_on_error, allow_redirections)
        except RedisClusterException as e:
            raise _as_redis_error(e) from e


def _as_redis_error(error: RedisClusterException) -> Exception:
    # It is no RedisError, which is what callers wait out. What is about slots will not pass by waiting.
    kind = (
        ResponseError if "same key slot" in str(error) or "dispatch" in str(error) else RedisConnectionError
    )
    return kind(str(error))


async def at_once(redis: RedisClient, *commands: Command) -> list[Any]:
    """Run commands on keys of one slot as a transaction; return Redis's answers as they are."""
    keys = list(dict.fromkeys(command[1] for command in commands))
    flat = [part for command in commands for part in (len(command), *command)]
    answers: list[Any] = await redis.eval(_AT_ONCE, len(keys), *keys, *flat)
    return answers


async def time_at(redis: RedisClient, key: str) -> float:
    """Return the time (s) by the clock of the server that has a key.

    What is dropped by age goes by it: one machine whose clock is years ahead must not drop everything.
    """
    seconds, micro = await redis.eval("return redis.call('TIME')", 1, key)
    return int(seconds) + int(micro) / 1e6


async def on_every_master(redis: RedisClient, *command: Argument) -> list[Any]:
    """Run a command without a key on the server, or on each master of a cluster; return the answers."""
    if not isinstance(redis, Cluster):
        return [await redis.execute_command(*command)]
    await redis.initialize()
    nodes: Sequence[ClusterNode] = redis.get_primaries()
    return [await redis.execute_command(*command, target_nodes=node) for node in nodes]
