"""A real Redis Cluster, and a master with a replica under Sentinels, on 127.0.0.1."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import RedisError

from shared import redis_server
from shared.redis_server import RedisServer, find_binary, free_port

SLOTS = 16384
NODE_TIMEOUT_MS = 2000


class RedisCluster:
    """Masters, and after them their replicas. `url` is what TOCSIN_REDIS_URL is set to."""

    def __init__(self, servers: list[RedisServer], masters: int) -> None:
        self.servers = servers
        self.masters = masters
        self.url = "redis+cluster://" + ",".join(f"127.0.0.1:{each.port}" for each in servers)

    def owner(self, key: str) -> RedisServer:
        """Return the master that has a key now."""
        for server in self.servers:
            if server.process.poll() is None:
                with Redis(port=server.port) as redis:
                    slot = redis.execute_command("CLUSTER KEYSLOT", key)
                    for first, last, master, *_ in redis.execute_command("CLUSTER SLOTS"):
                        if first <= slot <= last:
                            return next(each for each in self.servers if each.port == master[1])
        raise AssertionError("no node is up")

    def stop(self) -> None:
        for server in self.servers:
            server.stop()


def start_cluster(folder: Path, masters: int = 3, replicas: int = 0) -> RedisCluster:
    """Start masters that share the slots, and `replicas` of each; skip the test where the server is older than 7."""
    binary = find_binary()
    if binary is None or binary.version < (7,):
        pytest.skip("a cluster on free ports needs redis-server 7")
    servers = []
    for number in range(masters * (1 + replicas)):
        options = ["--cluster-enabled", "yes", "--cluster-port", str(free_port())]
        options += ["--cluster-node-timeout", str(NODE_TIMEOUT_MS), "--cluster-require-full-coverage", "no"]
        options += ["--cluster-replica-validity-factor", "0"]
        servers.append(redis_server.start(folder / f"node{number}", options=options))
    clients: list[Any] = [Redis(port=server.port, decode_responses=True) for server in servers]
    for number, redis in enumerate(clients[:masters]):
        first, last = SLOTS * number // masters, SLOTS * (number + 1) // masters - 1
        redis.execute_command("CLUSTER ADDSLOTSRANGE", first, last)
        redis.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
    for server, redis in zip(servers[1:], clients[1:], strict=True):
        bus = redis.config_get("cluster-port")["cluster-port"]
        clients[0].execute_command("CLUSTER MEET", "127.0.0.1", server.port, bus)
    _wait(lambda: all(len(each.cluster("nodes")) == len(servers) for each in clients))
    for number, redis in enumerate(clients[masters:]):
        redis.execute_command("CLUSTER REPLICATE", clients[number % masters].execute_command("CLUSTER MYID"))
    _wait(lambda: all(each.cluster("info")["cluster_state"] == "ok" for each in clients))
    _wait(lambda: all(each.info("replication")["connected_slaves"] == replicas for each in clients[:masters]))
    for redis in clients:
        redis.close()
    return RedisCluster(servers, masters)


class Sentinels:
    """A master, a replica, and three Sentinels that watch them."""

    def __init__(
        self, servers: list[RedisServer], watchers: list["subprocess.Popen[bytes]"], url: str
    ) -> None:
        self.servers = servers
        self.watchers = watchers
        self.url = url

    def stop(self) -> None:
        for watcher in self.watchers:
            watcher.terminate()
            watcher.wait()
        for server in self.servers:
            server.stop()


def start_sentinels(folder: Path) -> Sentinels:
    """Start them, and return when the Sentinels know each other and the replica."""
    binary = find_binary()
    if binary is None:
        pytest.skip("no redis-server here")
    master = redis_server.start(folder / "master")
    replica = redis_server.start(
        folder / "replica",
        options=["--replicaof", "127.0.0.1", str(master.port), "--repl-diskless-sync-delay", "0"],
    )
    ports, watchers = [], []
    for number in range(3):
        port = free_port()
        config = folder / f"sentinel{number}.conf"
        config.write_text(
            f"port {port}\nbind 127.0.0.1\nsentinel monitor tocsin 127.0.0.1 {master.port} 2\n"
            "sentinel down-after-milliseconds tocsin 1000\nsentinel failover-timeout tocsin 5000\n"
        )
        watchers.append(
            subprocess.Popen(
                [binary.path, str(config), "--sentinel"],
                stdout=subprocess.DEVNULL,
                preexec_fn=redis_server.end_with_parent,
                start_new_session=True,
            )
        )
        ports.append(port)
    _wait(lambda: all(_sees_all(port) for port in ports))
    url = "redis+sentinel://" + ",".join(f"127.0.0.1:{port}" for port in ports) + "/tocsin/0"
    return Sentinels([master, replica], watchers, url)


def _sees_all(port: int) -> bool:
    with Redis(port=port, decode_responses=True) as redis:
        about: Any = redis.execute_command("SENTINEL MASTERS")
        flat = about if isinstance(about, dict) else {each["name"]: each for each in about}
        return bool(
            int(flat["tocsin"]["num-slaves"]) == 1 and int(flat["tocsin"]["num-other-sentinels"]) == 2
        )


def _wait(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except (RedisError, OSError):
            pass
        assert time.monotonic() < deadline, "the servers did not find each other"
        time.sleep(0.02)
