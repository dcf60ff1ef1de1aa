"""Real Redis and PostgreSQL servers on loopback, from this machine or from Debian's packages; nothing is installed."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pytest

from demo.binaries import BinaryMissingError, unpack
from demo.waiting import until
from exporter.checks.outcome import CheckFailed, Outcome
from exporter.checks.resp import RedisSession, Reply
from exporter.checks.wire import Wire

#: Redis lies in the first; the others hold libraries that a machine without Redis does not have.
REDIS_PACKAGES = ("redis-tools", "libjemalloc2", "liblzf1", "libatomic1")
#: Seconds that a server may take to start or to end.
PATIENCE = 20.0
#: PostgreSQL does not run as root.
NOBODY = "nobody"


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _alive(process: "subprocess.Popen[bytes]", output: BinaryIO) -> None:
    """Fails if the server has ended, with its last words."""
    if process.poll() is not None:
        output.seek(0)
        pytest.fail(f"the server ended with {process.returncode}: {output.read()[-1000:]!r}")


@contextmanager
def running(
    argv: Sequence[str],
    ready: Callable[[], object],
    env: Mapping[str, str] | None = None,
    executable: str | None = None,
    user: str | None = None,
) -> Iterator["subprocess.Popen[bytes]"]:
    """A server process, from ready until the end of the block."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            argv,
            executable=executable,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            user=user,
            extra_groups=[] if user else None,
        )
        try:
            until(ready, "the server", PATIENCE, lambda _: _alive(process, output), 0.02)
            yield process
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@dataclass(frozen=True)
class RedisProgram:
    """How Redis is run here."""

    path: str
    libraries: str = ""

    @contextmanager
    def server(self, folder: Path, *options: str) -> Iterator[str]:
        """A running Redis; gives `HOST:PORT`. Its unix socket is `redis.sock` in *folder*."""
        port = free_port()
        own = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--unixsocket", f"{folder}/redis.sock"]
        own += ["--pidfile", f"{folder}/pid"]
        env = {"LD_LIBRARY_PATH": self.libraries} if self.libraries else {}

        def ready() -> bool:
            try:
                Wire.open(("127.0.0.1", port), 1.0).__exit__()
            except CheckFailed:
                return False
            return True

        # Debian's file is called redis-check-rdb; it is the server when it is started under this name.
        with running(["redis-server", *own, *options], ready, env, self.path):
            yield f"127.0.0.1:{port}"


def find_redis() -> RedisProgram:
    """Redis from PATH, else from Debian's packages; the test is skipped where neither has it."""
    if found := shutil.which("redis-server"):
        return RedisProgram(found)
    try:
        folders = [unpack(package) for package in REDIS_PACKAGES]
    except BinaryMissingError as error:
        pytest.skip(f"needs redis-server: {error}")
    libraries = {str(path.parent) for folder in folders for path in folder.glob("usr/lib/*/*.so*")}
    return RedisProgram(str(folders[0] / "usr/bin/redis-check-rdb"), ":".join(sorted(libraries)))


def command(address: str, *words: str) -> Reply:
    """What the Redis at *address* answers."""
    host, _, port = address.rpartition(":")
    with Wire.open((host, int(port)), PATIENCE) as wire:
        return RedisSession(wire).ask(*words)


def find_postgresql() -> Path:
    """The folder of PostgreSQL's programs; the test is skipped where there is none."""
    folders = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr/local/pgsql").glob("bin")]
    if found := shutil.which("initdb"):
        folders.append(Path(found).resolve().parent)
    for folder in sorted(folders, reverse=True):
        if (folder / "initdb").is_file() and (folder / "postgres").is_file():
            return folder
    pytest.skip("needs the PostgreSQL server: sudo apt install postgresql")


@contextmanager
def postgresql(programs: Path, rules: str, options: Mapping[str, str], files: Mapping[str, str]) -> Iterator[Path]:
    """A running PostgreSQL that only listens on a unix socket and one port of loopback.

    Args:
        programs: where its programs are.
        rules: the content of pg_hba.conf.
        options: further settings.
        files: name in the data folder -> text.

    Gives the folder of its unix socket; the port is in `port` there.
    """
    user = NOBODY if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="nightshift-postgresql-"))
    try:
        if user:
            shutil.chown(folder, user)
        data = folder / "data"
        initdb = [str(programs / "initdb"), "-D", str(data), "-A", "trust", "-U", "postgres", "--no-sync"]
        groups: list[str] | None = [] if user else None
        subprocess.run(initdb, check=True, capture_output=True, user=user, extra_groups=groups, cwd=folder)
        for name, text in {"pg_hba.conf": rules, **files}.items():
            (data / name).write_text(text)
            (data / name).chmod(0o600)
            if user:
                shutil.chown(data / name, user)
        port = free_port()
        (folder / "port").write_text(str(port))
        own = {"port": str(port), "unix_socket_directories": str(folder), "listen_addresses": "127.0.0.1"}
        settings = [f"--{name}={value}" for name, value in {**own, "fsync": "off", **options}.items()]
        argv = [str(programs / "postgres"), "-D", str(data), *settings]
        with running(argv, lambda: accepts(folder, programs), user=user):
            yield folder
    finally:
        shutil.rmtree(folder)


def sql(folder: Path, programs: Path, text: str) -> "subprocess.CompletedProcess[bytes]":
    """Runs SQL as the superuser over the unix socket."""
    port = (folder / "port").read_text()
    argv = [str(programs / "psql"), "-XAtq", "-h", str(folder), "-p", port, "-U", "postgres", "-c", text]
    return subprocess.run(argv, check=False, capture_output=True, cwd="/")


def accepts(folder: Path, programs: Path) -> bool:
    """Whether the server answers."""
    return sql(folder, programs, "SELECT 1").stdout == b"1\n"


def logged_in(outcome: Outcome) -> bool:
    """Whether the server let the check in."""
    return any(value for metric, value, _ in outcome.readings if metric.name.endswith("logged_in"))
