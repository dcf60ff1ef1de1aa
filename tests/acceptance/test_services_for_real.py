"""The checks of services against the servers themselves."""

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from demo.waiting import until
from exporter.checks.celery import CeleryRule
from exporter.checks.endpoint import Endpoint, Tls
from exporter.checks.outcome import Check, Outcome, outcome_of
from exporter.checks.postgresql import PostgresqlRule
from exporter.checks.redis import RedisRule
from exporter.checks.resp import RedisSession
from exporter.checks.resp import command as resp
from tests.acceptance.real_servers import (
    PATIENCE,
    RedisProgram,
    command,
    find_postgresql,
    find_redis,
    logged_in,
    postgresql,
    running,
    sql,
)

SECONDS = 5.0
Secret = Callable[[str], str]


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Secret:
    """Keeps a password in a private file and gives its path."""
    folder = tmp_path_factory.mktemp("secrets")

    def keep(text: str) -> str:
        path = folder / text
        path.touch(mode=0o600)
        path.write_text(text)
        return str(path)

    return keep


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for loopback and its key."""
    folder = tmp_path_factory.mktemp("tls")
    files = (folder / "crt", folder / "key")
    kind = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    argv = ["openssl", "req", "-x509", *kind, *names, "-out", str(files[0]), "-keyout", str(files[1])]
    subprocess.run(argv, check=True, capture_output=True)
    return files


@pytest.fixture(scope="module")
def redis() -> RedisProgram:
    """Redis, where it is to be had."""
    return find_redis()


@pytest.fixture(scope="module")
def cache(redis: RedisProgram, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis that stays the same for all tests."""
    folder = tmp_path_factory.mktemp("redis")
    with redis.server(folder, "--save", "3600 1", "--lua-time-limit", "20", "--appendonly", "no") as address:
        yield address


def ask(rule: RedisRule | PostgresqlRule | CeleryRule, seconds: float = SECONDS) -> Outcome:
    """The outcome of one check."""
    check: Check = rule.check(seconds)
    return outcome_of(check)


def test_redis_answers(cache: str) -> None:
    """A Redis without a password lets the check in, and takes writes."""
    outcome = ask(RedisRule(cache, writable=True))
    assert outcome.up, outcome.detail
    assert logged_in(outcome)


def test_redis_over_its_unix_socket(cache: str) -> None:
    """The path of the socket is an address."""
    folder = command(cache, "CONFIG", "GET", "dir")
    assert isinstance(folder, list)
    assert ask(RedisRule(f"{folder[1].decode()}/redis.sock")).up  # type: ignore[union-attr]


def test_redis_with_a_password(redis: RedisProgram, secret: Secret, tmp_path: Path) -> None:
    """Without one it is up and locked; a good one opens, a bad one is down; a user of the ACL has its own."""
    user = "user shop on >geheim ~* +ping"
    with redis.server(tmp_path, "--requirepass", "offen", *("--user", *user.split()[1:])) as address:
        locked = ask(RedisRule(address))
        assert locked.up
        assert not logged_in(locked)
        assert ask(RedisRule(address, password_file=secret("offen"))).up
        assert ask(RedisRule(address, user="shop", password_file=secret("geheim"))).up
        assert ask(RedisRule(address, password_file=secret("falsch"))).reason == "auth"


def test_redis_password_where_none_is_set(cache: str, secret: Secret) -> None:
    """A password that the server does not want is a mistake that is told."""
    assert ask(RedisRule(cache, password_file=secret("offen"))).reason == "auth"


def test_redis_over_tls(redis: RedisProgram, tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    """The certificate is verified before anything is said."""
    files = ["--tls-cert-file", str(certificate[0]), "--tls-key-file", str(certificate[1])]
    options = ["--tls-ca-cert-file", str(certificate[0]), "--tls-auth-clients", "no"]
    with redis.server(tmp_path, *files, *options) as address:
        command(address, "CONFIG", "SET", "tls-port", str(port := int(address.rpartition(":")[2]) + 1))
        assert ask(RedisRule(port, tls=Tls(ca_file=str(certificate[0])))).up
        assert ask(RedisRule(port, tls=Tls())).reason == "tls"


def test_redis_replica_takes_no_writes(redis: RedisProgram, cache: str, tmp_path: Path) -> None:
    """It answers, and is down only where a writable one is needed."""
    with redis.server(tmp_path, "--replicaof", *cache.split(":"), "--save", "") as address:
        assert ask(RedisRule(address)).up
        assert ask(RedisRule(address, writable=True)).reason == "readonly"


def test_redis_that_waits_for_its_master(redis: RedisProgram, tmp_path: Path) -> None:
    """A replica that may not show stale data answers nothing while its master is gone."""
    with redis.server(tmp_path, "--replicaof", "127.0.0.1", "1", "--replica-serve-stale-data", "no") as address:
        assert ask(RedisRule(address)).reason == "master_down"


def test_redis_that_cannot_save(redis: RedisProgram, tmp_path: Path) -> None:
    """A full or lost disk makes Redis refuse writes, and say so to PING."""
    gone = tmp_path / "gone"
    gone.mkdir()
    with redis.server(gone, "--save", "3600 1") as address:
        command(address, "SET", "a", "1")
        for path in gone.iterdir():
            path.unlink()
        gone.rmdir()
        command(address, "BGSAVE")
        until(lambda: ask(RedisRule(address)).reason == "misconf", "the failed save", PATIENCE, poll_seconds=0.02)
        command(address, "CONFIG", "SET", "save", "")  # else it refuses to end


def test_redis_with_too_many_clients(redis: RedisProgram, tmp_path: Path) -> None:
    """A connection that is refused for want of room has its own reason."""
    with redis.server(tmp_path, "--save", "") as address, Endpoint(address).connect(PATIENCE) as wire:
        assert RedisSession(wire).ask("CONFIG", "SET", "maxclients", "1") == "OK"
        assert ask(RedisRule(address)).reason == "too_many_connections"


def test_redis_that_is_busy(cache: str) -> None:
    """A script without an end makes Redis refuse everything else; a PING that waits longer is a timeout."""
    with Endpoint(cache).connect(PATIENCE) as wire:
        wire.send(resp("EVAL", "while true do end", "0"))
        until(lambda: ask(RedisRule(cache), 0.5).reason == "busy", "a busy Redis", PATIENCE, poll_seconds=0.02)
        command(cache, "SCRIPT", "KILL")
        until(lambda: ask(RedisRule(cache)).up, "the script's end", PATIENCE, poll_seconds=0.02)


def test_redis_that_is_stopped_times_out(redis: RedisProgram, tmp_path: Path) -> None:
    """A server that hangs accepts connections, and answers nothing."""
    with redis.server(tmp_path, "--save", "") as address:
        pid = (tmp_path / "pid").read_text()
        os.kill(int(pid), signal.SIGSTOP)
        try:
            assert ask(RedisRule(address), 0.2).reason == "timeout"
        finally:
            os.kill(int(pid), signal.SIGCONT)


_RULES = """\
host all trusty all trust
host all clear all password
host all md5er all md5
host all scrammer all scram-sha-256
local all all trust
"""


@pytest.fixture(scope="module")
def programs() -> Path:
    """PostgreSQL's programs, where they are to be had."""
    return find_postgresql()


@pytest.fixture(scope="module")
def database(programs: Path, certificate: tuple[Path, Path]) -> Iterator[Path]:
    """A PostgreSQL with a user for each way to log in, TLS, and few connections."""
    files = {"server.crt": certificate[0].read_text(), "server.key": certificate[1].read_text()}
    options = {"ssl": "on", "max_connections": "4", "superuser_reserved_connections": "1"}
    with postgresql(programs, _RULES, options, files) as folder:
        for text in (
            "CREATE USER trusty",
            "CREATE USER clear PASSWORD 'geheim'",
            "CREATE USER scrammer PASSWORD 'geheim'",
            "SET password_encryption = md5; CREATE USER md5er PASSWORD 'geheim'",
            "CREATE DATABASE shop",
        ):
            assert sql(folder, programs, text).returncode == 0, text
        yield folder


def query(server: Path, seconds: float = SECONDS, **keys: object) -> Outcome:
    """The outcome of one check over TCP."""
    rule = PostgresqlRule((server / "port").read_text(), **({"database": "shop"} | keys))  # type: ignore[arg-type]
    return ask(rule, seconds)


@pytest.mark.parametrize("user", ["clear", "md5er", "scrammer"])
def test_postgresql_password(database: Path, secret: Secret, user: str) -> None:
    """A good password is let in, a bad one is down, without one the server is up and locked."""
    found = query(database, user=user, password_file=secret("geheim"))
    assert found.up, found.detail
    assert logged_in(found)
    assert query(database, user=user, password_file=secret("falsch")).reason == "auth"
    locked = query(database, user=user)
    assert locked.up
    assert not logged_in(locked)


def test_postgresql_without_a_password(database: Path) -> None:
    """Whom the server trusts needs none; whom it does not know has been answered."""
    assert logged_in(query(database, user="trusty"))
    stranger = query(database)
    assert stranger.up
    assert not logged_in(stranger)


def test_postgresql_unix_socket(database: Path) -> None:
    """The path of the socket is an address."""
    rule = PostgresqlRule(f"{database}/.s.PGSQL.{(database / 'port').read_text()}", user="trusty", database="shop")
    assert logged_in(ask(rule))


def test_postgresql_over_tls(database: Path, secret: Secret, certificate: tuple[Path, Path]) -> None:
    """The certificate is verified before anything is said."""
    keys = {"user": "scrammer", "password_file": secret("geheim")}
    assert query(database, **keys, tls=Tls(ca_file=str(certificate[0]))).up
    assert query(database, **keys, tls=Tls()).reason == "tls"


def test_postgresql_missing_database(database: Path, secret: Secret) -> None:
    """It is told from a wrong password."""
    found = query(database, user="scrammer", password_file=secret("geheim"), database="nothing")
    assert found.reason == "database"


def test_postgresql_slow_query_ends_on_the_server(database: Path, programs: Path) -> None:
    """The query times out, and the server works on it no longer than we wait."""
    assert query(database, 0.3, user="trusty", query="SELECT pg_sleep(600)").reason == "query_timeout"
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)' AND state = 'active'"
    until(lambda: sql(database, programs, sleeping).stdout == b"0\n", "an idle server", PATIENCE, poll_seconds=0.05)


def test_postgresql_wrong_query(database: Path) -> None:
    """An error of the query is not one of the server."""
    assert query(database, user="trusty", query="SELECT nothing").reason == "query"


def test_postgresql_with_too_many_connections(database: Path, programs: Path) -> None:
    """A server that takes nobody any more is down, with its own reason."""
    port = (database / "port").read_text()
    argv = [str(programs / "psql"), "-Xq", "-h", "127.0.0.1", "-p", port, "-U", "trusty", "shop"]
    # More than there is room for: a slot that our own question holds just then turns one of them away.
    guests = [subprocess.Popen(argv, stdin=subprocess.PIPE, cwd="/", stderr=subprocess.DEVNULL) for _ in range(8)]
    try:
        full = lambda: query(database, user="trusty").reason == "too_many_connections"  # noqa: E731
        until(full, "a full server", PATIENCE, poll_seconds=0.05)
    finally:
        for guest in guests:
            guest.communicate(b"\\q\n")


_APPLICATION = """\
import sys
from celery import Celery
app = Celery("shop", broker=sys.argv.pop())
app.worker_main(["worker", "--pool=solo", "--loglevel=warning", "--hostname=one@host"])
"""


def test_celery_workers_answer(redis: RedisProgram, tmp_path: Path) -> None:
    """A real worker answers our ping; stopped it is silent; gone it is missing; nothing stays behind in Redis."""
    if not importlib.util.find_spec("celery") or not importlib.util.find_spec("redis"):
        pytest.skip("needs Celery: pip install 'celery[redis]'")
    with redis.server(tmp_path, "--save", "") as address:
        rule = CeleryRule(address, database=2)
        argv = [sys.executable, "-c", _APPLICATION, f"redis://{address}/2"]
        with running(argv, lambda: ask(rule).up) as worker:
            assert {value for metric, value, _ in ask(rule).readings if "workers" in metric.name} == {1}
            os.kill(worker.pid, signal.SIGSTOP)
            assert ask(rule, 3.0).reason == "no_reply"
            os.kill(worker.pid, signal.SIGCONT)
        until(lambda: ask(rule).reason == "no_workers", "the worker's end", PATIENCE)
        assert not command(address, "KEYS", "*nightshift*")
