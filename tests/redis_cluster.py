"""Several real Redis servers that watch each other: a cluster, or a master and a replica with Sentinels."""

import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import RedisError

from shared import redis_server
from shared.redis_server import RedisServer, find_binary, free_port

SLOTS = 16384
DOWN_AFTER_MS = 1500


class Node:
    """A server that can be killed and started again on the same files and port."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.server: RedisServer = redis_server.start(folder, options=options)
        self.port = self.server.port
        self._again = folder, options

    @property
    def alive(self) -> bool:
        return self.server.process.poll() is None

    def ask(self, *command: Any) -> Any:
        with Redis(port=self.port, decode_responses=True) as redis:
            return redis.execute_command(*command)

    def kill(self) -> None:
        self.server.process.kill()
        self.server.process.wait()

    def restart(self) -> None:
        folder, options = self._again
        self.server = redis_server.start(folder, port=self.port, options=options)


class Servers:
    """`url` is what TOCSIN_REDIS_URL is set to."""

    def __init__(
        self, nodes: list[Node], url: str, sentinels: Sequence["subprocess.Popen[bytes]"] = ()
    ) -> None:
        self.nodes = nodes
        self.url = url
        self._sentinels = sentinels

    def fail_over(self, key: str) -> float:
        """Kill the master of a key; return for how many seconds nobody took writes to it."""
        self._master_of(key).kill()
        killed = time.monotonic()
        self._master_of(key)
        return time.monotonic() - killed

    def revive(self, key: str) -> None:
        """Start what was killed; return when the master of a key has its replica again."""
        for node in self.nodes:
            if not node.alive:
                node.restart()
        master = self._master_of(key)
        _wait(lambda: _online(master))

    def stop(self) -> None:
        for process in self._sentinels:
            process.terminate()
            process.wait()
        for node in self.nodes:
            node.server.stop()

    def _master_of(self, key: str) -> Node:
        found: list[Node] = []

        def look() -> bool:
            found[:] = [node for node in self.nodes if node.alive and _takes(node, key)]
            return len(found) == 1

        _wait(look)
        return found[0]


def _takes(node: Node, key: str) -> bool:
    """Whether a node takes writes to a key."""
    with suppress(RedisError):
        return bool(node.ask("DEL", f"{key}-is-anybody-there") == 0)
    return False


def _online(master: Node) -> bool:
    return bool(master.ask("INFO", "replication")["slave0"]["state"] == "online")


def start_nodes(folder: Path, count: int) -> Servers:
    """Start servers that do not know each other yet; skip the test where they are older than 7."""
    binary = find_binary()
    if binary is None or binary.version < (7,):
        pytest.skip("a cluster on free ports needs redis-server 7")
    options = ("--cluster-enabled", "yes", "--cluster-node-timeout", str(DOWN_AFTER_MS))
    options += ("--cluster-replica-validity-factor", "0")
    nodes = [
        Node(folder / f"node{number}", "--cluster-port", str(free_port()), *options)
        for number in range(count)
    ]
    return Servers(nodes, "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes))


def join(servers: Servers, masters: int = 3) -> None:
    """Make a cluster of them: some masters, which share the slots, and the rest their replicas."""
    nodes = servers.nodes
    for number, node in enumerate(nodes[:masters]):
        first, last = SLOTS * number // masters, SLOTS * (number + 1) // masters - 1
        node.ask("CLUSTER ADDSLOTSRANGE", first, last)
        node.ask("CLUSTER SET-CONFIG-EPOCH", number + 1)
    for node in nodes[1:]:
        bus = node.ask("CONFIG GET", "cluster-port")["cluster-port"]
        nodes[0].ask("CLUSTER MEET", "127.0.0.1", node.port, bus)
    _wait(lambda: all(len(node.ask("CLUSTER NODES")) == len(nodes) for node in nodes))
    for number, node in enumerate(nodes[masters:]):
        node.ask("CLUSTER REPLICATE", nodes[number % masters].ask("CLUSTER MYID"))
    _wait(lambda: all(node.ask("CLUSTER INFO")["cluster_state"] == "ok" for node in nodes))
    if len(nodes) > masters:
        _wait(lambda: all(_online(node) for node in nodes[:masters]))


def start_sentinels(folder: Path) -> Servers:
    """Start a master, a replica and three Sentinels, and return when these know each other and the replica."""
    binary = find_binary()
    if binary is None:
        pytest.skip("no redis-server here")
    master = Node(folder / "one")
    nodes = [master, Node(folder / "two", "--replicaof", "127.0.0.1", str(master.port))]
    ports, watchers = [free_port() for _ in range(3)], []
    for port in ports:
        config = folder / f"{port}.conf"
        config.write_text(
            f"port {port}\nbind 127.0.0.1\nsentinel monitor tocsin 127.0.0.1 {master.port} 2\n"
            f"sentinel down-after-milliseconds tocsin {DOWN_AFTER_MS}\nsentinel failover-timeout tocsin 5000\n"
        )
        command = [binary.path, str(config), "--sentinel"]
        watchers.append(
            subprocess.Popen(
                command,
                stdout=subprocess.DEVNULL,
                preexec_fn=redis_server.end_with_parent,
                start_new_session=True,
            )
        )
    _wait(lambda: all(map(_sees_all, ports)))
    where = ",".join(f"127.0.0.1:{port}" for port in ports)
    return Servers(nodes, f"redis+sentinel://{where}/tocsin/0", watchers)


def _sees_all(port: int) -> bool:
    with Redis(port=port, decode_responses=True) as redis:
        [about] = redis.sentinel_masters().values()
        return bool(about["num-slaves"] == 1 and about["num-other-sentinels"] == 2)


def _wait(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while True:
        with suppress(RedisError, OSError, KeyError):
            if condition():
                return
        assert time.monotonic() < deadline, "the servers did not find each other"
        time.sleep(0.02)
