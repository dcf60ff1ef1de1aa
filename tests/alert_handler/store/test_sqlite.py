import fcntl
import os
import re
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from alert_handler.errors import ConfigInvalid, StoreUnavailable
from alert_handler.store.inbox import Inbox
from alert_handler.store.sqlite import SCHEMA_VERSION, Database, load_queries
from tests.alert_handler.doubles import fill_up, make_room

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def inbox(database: Database) -> Iterator[Inbox]:
    """The inbox of the store."""
    inbox = Inbox(database)
    yield inbox
    inbox.close()


def pragma(database: Database, name: str) -> object:
    """A setting of this thread's connection."""
    return database._connection().execute(f"PRAGMA {name}").fetchone()[0]


def beat(database: Database) -> None:
    """A write that changes a row."""
    with database.write() as tx:
        tx.run("heartbeat_set", {"name": "x", "received_at": 1.0})


def test_connections_of_every_thread_sync_each_commit(database: Database) -> None:
    """R2: write-ahead log and synchronous FULL hold wherever a connection is made."""
    found: list[tuple[object, ...]] = []

    def look() -> None:
        found.append(tuple(pragma(database, name) for name in ("journal_mode", "synchronous", "foreign_keys")))

    look()
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [("wal", 2, 1)] * 2


def test_connections_end_with_their_thread(database: Database) -> None:
    """A thread that comes and goes leaves no descriptor behind."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        thread = threading.Thread(target=beat, args=(database,))
        thread.start()
        thread.join()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 3


def test_database_files_are_their_owner_s_alone(database: Database) -> None:
    """Alerts can hold secrets."""
    beat(database)
    files = list(database.path.parent.glob("nightshift.db*"))
    assert len(files) == 4
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_write_rolls_back_whatever_is_raised(database: Database) -> None:
    """Half a transition is never seen, and the next write finds no open transaction."""

    def half() -> None:
        with database.write() as tx:
            tx.run("heartbeat_set", {"name": "x", "received_at": 1.0})
            raise KeyError

    with pytest.raises(KeyError):
        half()
    with database.read() as tx:
        assert tx.one("heartbeat_get", {"name": "x"}) is None
    beat(database)


def test_read_does_not_see_what_is_not_committed(database: Database) -> None:
    """A reader of another thread sees all of a commit or nothing, and is not held up by the writer."""
    seen: list[object] = []

    def look() -> None:
        with database.read() as tx:
            seen.append(tx.one("heartbeat_get", {"name": "x"}))

    with database.write() as tx:
        tx.run("heartbeat_set", {"name": "x", "received_at": 1.0})
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    assert seen == [None]


def test_write_integrity_error_reaches_the_caller(database: Database) -> None:
    """A unique index that refuses is an answer, not a broken store."""
    with pytest.raises(sqlite3.IntegrityError), database.write() as tx:
        tx.run("transition_add", {"incident_id": 999, "at": 1.0, "stage": "", "outcome": "", "text": ""})
    assert database.writable


def test_write_full_store_is_unavailable_and_recovers_by_itself(database: Database, inbox: Inbox) -> None:
    """R14: SQLITE_FULL says so, and with room again the same connection goes on."""
    big = {"sender": "alertmanager", "received_at": 1.0, "body": b"x" * 100_000}
    fill_up(database)
    with pytest.raises(StoreUnavailable, match="cannot write: database or disk is full"), database.write() as tx:
        tx.run("inbox_add", big)
    assert not database.writable
    make_room(database)
    with database.write() as tx:
        tx.run("inbox_add", big)
    assert database.writable
    assert inbox.pending() == 1


def test_write_that_changes_nothing_does_not_prove_the_store(database: Database) -> None:
    """An idle worker's claim commits without touching the disk: a full store must stay red."""
    fill_up(database)
    assert not database.probe()
    with database.write() as tx:
        tx.run("incident_claim", {"owner": "worker", "now": 1.0})
    assert not database.writable


def test_probe_tells_whether_a_webhook_would_be_stored(database: Database) -> None:
    """The probe needs as much room as a webhook, and leaves nothing behind."""
    fill_up(database)
    assert (database.probe(), database.writable) == (False, False)
    make_room(database)
    assert (database.probe(), database.writable) == (True, True)
    with database.read() as tx:
        assert tx.all("rejects_recent", {"limit": 9}) == []


def test_write_waits_for_another_writer_then_says_so(database: Database) -> None:
    """A shell that holds the file locked makes the store unavailable, not the handler hang."""
    database._connection().execute("PRAGMA busy_timeout = 1")
    other = sqlite3.connect(database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="database is locked"):
        beat(database)
    other.execute("ROLLBACK")
    other.close()
    beat(database)
    assert database.writable


def test_database_second_process_is_refused_with_a_remedy(database: Database) -> None:
    """Two handlers on one file would both act; the second one says what to do."""
    code = "import pathlib, sys; from alert_handler.store.sqlite import Database; Database(pathlib.Path(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(database.path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "is used by another alert handler; stop it, or give this one a store_url of its own" in done.stderr


def test_database_link_to_a_used_file_is_refused(database: Database, tmp_path: Path) -> None:
    """Another name of the same file finds the same lock."""
    link = tmp_path / "elsewhere.db"
    link.symlink_to(database.path)
    with pytest.raises(ConfigInvalid, match="is used by another alert handler"):
        Database(link)


def test_database_newer_schema_is_refused_and_unlocked(tmp_path: Path) -> None:
    """A file of a newer version is left alone, and the lock is given back for the version that can read it."""
    path = tmp_path / "new.db"
    Database(path).close()
    with sqlite3.connect(path) as other:
        other.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    other.close()
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=rf"{path}: was written by a newer version \(schema 2, .* upgrade"):
            Database(path)


@pytest.mark.parametrize("content", [b"this is no database, whatever its name is", b"SQLite format 3\0" + b"\xff" * 99])
def test_database_foreign_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """Something else under the configured name is told, not overwritten."""
    path = tmp_path / "notes.db"
    path.write_bytes(content)
    with pytest.raises(StoreUnavailable, match=str(path)):
        Database(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize(("place", "problem"), [("file/x.db", "Not a directory"), ("folder", "Is a directory")])
def test_database_unusable_path_is_a_configuration_error(tmp_path: Path, place: str, problem: str) -> None:
    """A path that cannot hold a file names the key, the path and a remedy."""
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigInvalid, match=rf"store_url: .*: {problem}|store_url: .*: File exists"):
        Database(tmp_path / place)


def test_close_is_final_and_may_come_twice(tmp_path: Path) -> None:
    """After close nobody opens the file again behind the next owner's back, and no foreign descriptor is closed."""
    database = Database(tmp_path / "x.db")
    database.close()
    with (tmp_path / "other").open("w") as innocent:
        database.close()
        assert os.fstat(innocent.fileno())
    with pytest.raises(StoreUnavailable, match="is closed"):
        beat(database)
    with pytest.raises(StoreUnavailable, match="is closed"), database.read():
        pass
    Database(tmp_path / "x.db").close()


def test_lock_is_not_inherited_by_children(database: Database) -> None:
    """A remediation that outlives a killed handler must not lock its successor out."""
    flags = fcntl.fcntl(database._lock, fcntl.F_GETFD)
    assert flags & fcntl.FD_CLOEXEC


def test_size_counts_the_log_too(database: Database) -> None:
    """What the store takes on disk is more than its main file."""
    beat(database)
    assert database.size_bytes() > database.path.stat().st_size


@pytest.mark.parametrize("name", sorted(load_queries()))
def test_queries_every_one_prepares(database: Database, name: str) -> None:
    """No query names a column or table that the schema has not."""
    assert explained(database, "EXPLAIN", name)


def explained(database: Database, how: str, name: str) -> list[sqlite3.Row]:
    """What SQLite makes of the query *name*."""
    statement = load_queries()[name]
    params = dict.fromkeys(re.findall(r":(\w+)", statement))
    return database._connection().execute(f"{how} {statement}", params).fetchall()


def test_queries_finding_an_incident_needs_no_scan(database: Database) -> None:
    """A storm looks each label set up, among years of closed incidents."""
    for name in ("incident_open", "incident_last_closed", "event_resolved_since", "incident_claim", "inbox_next"):
        plan = [row["detail"] for row in explained(database, "EXPLAIN QUERY PLAN", name)]
        assert not [step for step in plan if step.startswith("SCAN") and "INDEX" not in step]


INCIDENT = """INSERT INTO incidents (identity, labels, annotations, generator_url, status, opened_at, starts_at,
    received_at, last_seen_at) VALUES ('a', '{}', '{}', '', 'firing', 1, 1, 1, 1)"""
ATTEMPT = """INSERT INTO attempts (incident_id, number, playbook, remediation, target, digest, state, claimed_at)
    VALUES (1, {}, '', '', 't', '', '{}', 1)"""


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (INCIDENT, INCIDENT),
        (ATTEMPT.format(1, "succeeded"), ATTEMPT.format(1, "claimed")),
        (ATTEMPT.format(1, "started"), ATTEMPT.format(2, "claimed")),
    ],
    ids=["one open incident a label set", "one attempt a number", "one running attempt a target"],
)
def test_schema_unique_indexes_keep_their_promises(database: Database, first: str, second: str) -> None:
    """The second row is refused by the database itself, whatever the code above it does."""
    connection = database._connection()
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute(first)
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        connection.execute(second)
