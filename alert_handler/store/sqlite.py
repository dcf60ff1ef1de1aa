"""SQLite as the store: WAL with synchronous FULL, so that a commit has reached the disk (ADR 0001).

Two connections, one that writes and one that reads, at which the threads of this process take turns: a lock costs less
than SQLite's own back-off, and a connection for each of some twenty threads costs 5 MB. Another process that writes (a
backup, a person's shell) is waited for. One handler per file: a second one is refused.
"""

import fcntl
import os
import re
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib import resources
from pathlib import Path

from alert_handler.errors import ConfigInvalid, StoreUnavailable

#: Raised with every change of schema.sql; `_migrate` brings an older file up to it.
SCHEMA_VERSION = 1
BUSY_TIMEOUT_SECONDS = 5.0
PREFIX = "sqlite:///"
WRITER, READER = "writer", "reader"

Row = sqlite3.Row
Params = Mapping[str, object]


class Transaction:
    """Named queries inside one commit."""

    def __init__(self, connection: sqlite3.Connection, queries: Mapping[str, str]) -> None:
        self._connection = connection
        self._queries = queries

    def run(self, name: str, params: Params | None = None) -> int:
        """Run the statement *name*; the number of rows that it changed."""
        return self._connection.execute(self._queries[name], params or {}).rowcount

    def add(self, name: str, params: Params) -> int:
        """Run the INSERT *name*; the new row's id."""
        return self._connection.execute(self._queries[name], params).lastrowid or 0

    def many(self, name: str, rows: list[Params]) -> None:
        """Run the statement *name* once for each of *rows*."""
        self._connection.executemany(self._queries[name], rows)

    def all(self, name: str, params: Params | None = None) -> list[Row]:
        """The rows that the query *name* gives."""
        return self._connection.execute(self._queries[name], params or {}).fetchall()

    def each(self, name: str, params: Params | None = None) -> Iterator[Row]:
        """The rows that the query *name* gives, one at a time: for rows that can be large."""
        yield from self._connection.execute(self._queries[name], params or {})

    def one(self, name: str, params: Params | None = None) -> Row | None:
        """The first row that the query *name* gives, or None."""
        rows = self.all(name, params)
        return rows[0] if rows else None


class Database:
    """The database file, opened by this process alone.

    Raises:
        ConfigInvalid: the path cannot be used, or another handler has it.
        StoreUnavailable: the file cannot be opened as a database of this version.
    """

    def __init__(self, path: Path) -> None:
        # A link to the file must find the same lock.
        self.path = path.resolve()
        self._queries = load_queries()
        self._turn = threading.Lock()
        self._reading = threading.Lock()
        self._connections: dict[str, sqlite3.Connection] = {}
        self._writable = True
        self._closed = False
        self._lock = _lock(self.path)
        with ExitStack() as undo:
            undo.callback(self.close)
            with self.write():
                _migrate(self._connection(), self.path)
            undo.pop_all()

    @property
    def writable(self) -> bool:
        """Whether the last write that had something to write succeeded."""
        return self._writable

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A transaction that is committed and synced at the end, or rolled back by any exception.

        Raises:
            StoreUnavailable: SQLite cannot write (disk full, locked, corrupt).
            sqlite3.IntegrityError: a unique index refused; the caller knows what that means.
        """
        with self._turn:
            try:
                connection = self._connection()
                connection.execute("BEGIN IMMEDIATE")
                before = connection.total_changes
                with _rolled_back(connection):
                    yield Transaction(connection, self._queries)
                    connection.execute("COMMIT")
                # A commit that changes nothing, such as an idle worker's claim, touches no disk and proves nothing.
                self._writable = self._writable or connection.total_changes > before
            except sqlite3.IntegrityError:
                raise
            except sqlite3.Error as error:
                self._writable = False
                raise StoreUnavailable(f"store {self.path}: cannot write: {error}") from error

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A consistent view of what is committed.

        Raises:
            StoreUnavailable: SQLite cannot read.
        """
        try:
            with self._reading:
                connection = self._connection(READER)
                connection.execute("BEGIN")
                try:
                    yield Transaction(connection, self._queries)
                finally:
                    connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise StoreUnavailable(f"store {self.path}: cannot read: {error}") from error

    def probe(self) -> bool:
        """Try a write such as a webhook is, to learn whether the store works again; also told by `writable`."""
        try:
            with self.write() as tx:
                tx.run("probe_add")
                tx.run("probe_remove")
        except StoreUnavailable:
            return False
        return True

    def size_bytes(self) -> int:
        """Bytes on disk: the database, its log and index."""
        return sum(_size(self.path.with_name(self.path.name + suffix)) for suffix in ("", "-wal", "-shm"))

    def close(self) -> None:
        """Let go of the file, once; whoever still reads or writes is waited for, whoever comes later is refused."""
        with self._turn, self._reading:
            if self._closed:
                return
            self._closed = True
            for connection in self._connections.values():
                connection.close()
            os.close(self._lock)

    def _connection(self, role: str = WRITER) -> sqlite3.Connection:
        """The connection of *role*, whose lock the caller holds."""
        if self._closed:
            raise StoreUnavailable(f"store {self.path}: is closed")
        if role not in self._connections:
            self._connections[role] = _connect(self.path)
        return self._connections[role]


@contextmanager
def _rolled_back(connection: sqlite3.Connection) -> Iterator[None]:
    """Undo the transaction that the block left open: it raised, or its commit did."""
    try:
        yield
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _connect(path: Path) -> sqlite3.Connection:
    # Used by many threads, one at a time.
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False)
    with ExitStack() as undo:
        undo.callback(connection.close)
        _prepare(connection)
        undo.pop_all()
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    connection.row_factory = sqlite3.Row
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise sqlite3.OperationalError(f"the file system gives no write-ahead log (journal_mode {mode})")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA cache_size = -512")  # KiB


def _size(file: Path) -> int:
    """Bytes of *file*; 0 when it is not there, or no longer."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def _lock(path: Path) -> int:
    """An exclusive lock beside the database, held while the process lives and inherited by no child."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigInvalid(f"store_url: {path}: {error.strerror}; choose a folder that can be written") from error
    try:
        # Alerts can hold secrets: only the owner reads them. SQLite gives its other files the same mode.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        problem = "is used by another alert handler; stop it, or give this one a store_url of its own"
        raise ConfigInvalid(f"store_url: {path} {problem}") from error
    except OSError as error:
        os.close(descriptor)
        raise ConfigInvalid(f"store_url: {path}: {error.strerror}; name a file that can be written") from error
    return descriptor


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Create the tables of an empty file; refuse a file of a newer version."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == SCHEMA_VERSION:
        return
    if version > SCHEMA_VERSION:
        raise StoreUnavailable(
            f"store {path}: was written by a newer version (schema {version}, this one knows {SCHEMA_VERSION}): upgrade"
        )
    for statement in _statements(_sql("schema.sql")):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def load_queries() -> dict[str, str]:
    """The statements of queries.sql by name."""
    parts = re.split(r"^-- name: (\w+)$", _sql("queries.sql"), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def _sql(name: str) -> str:
    return resources.files("alert_handler.store").joinpath(name).read_text(encoding="utf-8")


def _statements(script: str) -> Iterator[str]:
    """The statements of *script*, complete ones in order (executescript would commit first)."""
    pending = ""
    for line in script.splitlines():
        pending += line + "\n"
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
