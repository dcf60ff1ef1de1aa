import threading
import weakref
from collections.abc import Callable, Iterator, Sequence

import pytest

from alert_handler.errors import StoreUnavailable
from alert_handler.store import group_commit
from alert_handler.store.group_commit import GroupCommit


class Disk:
    """Writes groups when it is let; can fail."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.busy = threading.Event()
        self.free = threading.Event()
        self.free.set()
        self.failure: Exception | None = None

    def write(self, items: Sequence[int]) -> None:
        """Write one group."""
        self.busy.set()
        assert self.free.wait(20)
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        self.groups.append(list(items))


@pytest.fixture
def disk() -> Disk:
    """A disk that works."""
    return Disk()


@pytest.fixture
def group(disk: Disk) -> Iterator[GroupCommit[int]]:
    """A group commit over that disk."""
    group = GroupCommit(disk.write)
    yield group
    disk.free.set()
    group.close()


class Senders:
    """Threads that add one item each; their answers by item."""

    def __init__(self, group: GroupCommit[int]) -> None:
        self._group = group
        self._threads: list[threading.Thread] = []
        self.answers: dict[int, Exception | None] = {}

    def send(self, *items: int) -> None:
        """Add *items*, each from a thread of its own; return when all of them wait."""
        for item in items:
            waiting = len(self._group._waiting)
            thread = threading.Thread(target=self._add, args=(item,))
            thread.start()
            self._threads.append(thread)
            until(lambda before=waiting: len(self._group._waiting) > before)

    def join(self) -> dict[int, Exception | None]:
        """The answers, when all have one."""
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive()
        return self.answers

    def _add(self, item: int) -> None:
        try:
            self._group.add(item)
        except StoreUnavailable as error:
            self.answers[item] = error
        else:
            self.answers[item] = None


def until(condition: Callable[[], bool]) -> None:
    """Wait for *condition*."""
    pause = threading.Event()
    for _ in range(20_000):
        if condition():
            return
        pause.wait(0.001)
    raise AssertionError


@pytest.fixture
def waiting(disk: Disk, group: GroupCommit[int]) -> Senders:
    """Ten senders that wait behind a group which is being written."""
    disk.free.clear()
    first = threading.Thread(target=group.add, args=(0,))
    first.start()
    assert disk.busy.wait(20)
    senders = Senders(group)
    senders.send(*range(1, 11))
    senders._threads.append(first)
    return senders


def test_add_everything_that_waits_goes_in_one_commit_in_order(disk: Disk, waiting: Senders) -> None:
    """While one group is synced the next one gathers; nobody returns before its own is written."""
    assert waiting.answers == {}
    disk.free.set()
    assert waiting.join() == dict.fromkeys(range(1, 11))
    assert disk.groups == [[0], list(range(1, 11))]


@pytest.mark.parametrize("failure", [StoreUnavailable("disk full"), ValueError("a mistake of ours"), MemoryError()])
def test_add_failing_commit_reaches_exactly_its_group(disk: Disk, group: GroupCommit[int], failure: Exception) -> None:
    """Whatever the write raises, its senders hear StoreUnavailable, and the thread goes on for the next group."""
    disk.failure = failure
    with pytest.raises(StoreUnavailable):
        group.add(1)
    group.add(2)
    assert disk.groups == [[2]]


def test_add_senders_of_a_failing_group_all_hear_of_it(disk: Disk, waiting: Senders) -> None:
    """Every member of the group must send again, none believes that it is stored."""

    def write(items: Sequence[int]) -> None:
        if 5 in items:
            raise StoreUnavailable("disk full")

    waiting._group._write = write
    disk.free.set()
    assert {str(answer) for answer in waiting.join().values()} == {"disk full"}
    assert disk.groups == [[0]]


def test_close_writes_what_waits(disk: Disk, group: GroupCommit[int], waiting: Senders) -> None:
    """A stop answers everybody who came before it, and refuses who comes after."""
    closing = threading.Thread(target=group.close)
    closing.start()
    until(lambda: group._stopping)
    with pytest.raises(StoreUnavailable, match="closing; send again"):
        group.add(99)
    disk.free.set()
    closing.join(20)
    assert set(waiting.join().values()) == {None}
    assert disk.groups[-1] == list(range(1, 11))


def test_add_gives_up_when_the_disk_hangs(
    disk: Disk, waiting: Senders, group: GroupCommit[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that does not answer must not hold the sender for ever."""
    monkeypatch.setattr(group_commit, "MAX_WAIT_SECONDS", 0.0)
    with pytest.raises(StoreUnavailable, match="not stored after 0 s; send again"):
        group.add(99)
    disk.free.set()
    assert waiting.join()


def test_add_large_crowd_is_cut_into_groups(disk: Disk, waiting: Senders, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group has a bound, so that one commit does not grow without end."""
    monkeypatch.setattr(group_commit, "MAX_GROUP", 4)
    disk.free.set()
    waiting.join()
    assert [len(group) for group in disk.groups] == [1, 4, 4, 2]


def test_nothing_of_a_group_is_held_once_it_is_written() -> None:
    """The last body of a busy hour, up to 32 MiB, is not kept until the next webhook comes."""

    class Body:
        """Something large."""

    commit: GroupCommit[Body] = GroupCommit(lambda _items: None)
    body, gone = Body(), threading.Event()
    weakref.finalize(body, gone.set)
    commit.add(body)
    del body
    assert gone.wait(5)
    commit.close()
