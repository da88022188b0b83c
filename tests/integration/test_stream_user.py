"""The user that deploy/stream.yaml gives to other systems can read the streams, and nothing else."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import NoPermissionError, RedisError
from redis.retry import Retry

from shared.names import Names
from shared.redis_server import find_binary, free_port

PASSWORDS = {"TOCSIN_REDIS_PASSWORD": "ours", "TOCSIN_CONSUMER_PASSWORD": "theirs"}
NAMES = Names()


def command_of(port: int, folder: Path) -> list[str]:
    """The command of the container, with the settings filled in as compose does."""
    stream = yaml.safe_load((Path(__file__).parent.parent.parent / "deploy/stream.yaml").read_text())
    words = [
        re.sub(r"\$\{(\w+):[-?]([^}]*)\}", lambda found: PASSWORDS.get(found[1], found[2]), str(word))
        for word in stream["services"]["redis"]["command"]
    ]
    binary = find_binary()
    if binary is None or binary.version < (7,):
        pytest.skip("there is no Redis 7 here")
    return [binary.path, *words, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    port = free_port()
    process = subprocess.Popen(command_of(port, tmp_path_factory.mktemp("redis")), stdout=subprocess.DEVNULL)
    ours = Redis(port=port, password="ours")
    for _ in range(500):
        try:
            ours.xadd(NAMES.tagged, {"event": "{}"})
            break
        except RedisError:
            assert process.poll() is None
    ours.xgroup_create(NAMES.tagged, "notify", id="0")
    yield port
    ours.close()
    process.terminate()
    process.wait()


@pytest.fixture
def consumer(port):
    with Redis(port=port, username="consumer", password="theirs") as consumer:
        yield consumer


def test_it_reads_the_streams(consumer):
    [[_, [(entry_id, fields)]]] = consumer.xread({NAMES.tagged: "0"})
    assert fields == {b"event": b"{}"}
    assert consumer.xinfo_stream(NAMES.tagged)["first-entry"][0] == entry_id
    assert consumer.xread({NAMES.published: "0", NAMES.feed_health: "0"}) == []


@pytest.mark.parametrize(
    "command",
    [
        ("XADD", NAMES.tagged, "*", "event", "{}"),
        ("XDEL", NAMES.tagged, "0-1"),
        ("XTRIM", NAMES.tagged, "MAXLEN", "0"),
        ("XACK", NAMES.tagged, "notify", "0-1"),
        ("XREADGROUP", "GROUP", "notify", "me", "STREAMS", NAMES.tagged, ">"),
        ("XGROUP", "CREATE", NAMES.tagged, "theirs", "0"),
        ("XREAD", "STREAMS", NAMES.deliveries, "0"),
        ("XRANGE", NAMES.pushed, "-", "+"),
        ("HGETALL", NAMES.subscriptions),
        ("GET", NAMES.server_key),
        ("KEYS", "*"),
        ("CONFIG", "GET", "*"),
        ("ACL", "LIST"),
        ("FLUSHALL",),
        ("SUBSCRIBE", "x"),
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_it_can_do_nothing_else(consumer, command):
    with pytest.raises(NoPermissionError):
        consumer.execute_command(*command)


def test_without_a_password_nobody_gets_in(port):
    no_retry = Retry(NoBackoff(), 0)
    with Redis(port=port, retry=no_retry) as nobody, pytest.raises(RedisError, match="authenticate"):
        nobody.ping()
