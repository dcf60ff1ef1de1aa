import socket
import threading

import pytest

from exporter.probing.engine import Alarm, Loop, Task
from tests.exporter.doubles import Clock, Until


def forever() -> Task[None]:
    """A task that waits for its deadline."""
    while True:
        yield None


def test_loop_task_that_waits_too_long_gets_a_timeout(clock: Clock) -> None:
    """At its deadline a task is told by TimeoutError, and its end is reported once."""
    loop, ended = Loop(clock), []
    loop.start(forever(), clock.now + 5, ended.append)
    loop.turn(0)
    assert ended == []
    clock.now += 5
    loop.turn(0)
    assert [type(error) for error in ended] == [TimeoutError]
    assert loop.running == 0
    loop.close()


def test_loop_task_is_resumed_at_the_time_it_asked_for(clock: Clock) -> None:
    """A yielded time wakes the task, also a later one after an earlier one."""
    seen: list[float] = []

    def sleeper() -> Task[None]:
        for pause in (1, 3):
            until = clock.now + pause
            while clock.now < until:
                yield until
            seen.append(clock.now)

    loop = Loop(clock)
    loop.start(sleeper(), clock.now + 60, lambda _: None)
    for _ in range(5):
        clock.now += 1
        loop.turn(0)
    assert seen == [1001, 1004]
    loop.close()


def test_loop_faulty_task_ends_alone(clock: Clock) -> None:
    """An error in one task ends it and no other; a faulty listener ends nothing."""

    def faulty() -> Task[None]:
        yield clock.now
        raise ZeroDivisionError

    def listener(error: BaseException | None) -> None:
        raise RuntimeError(error)

    loop, ended = Loop(clock), []
    loop.start(faulty(), clock.now + 5, ended.append)
    loop.start(faulty(), clock.now + 5, listener)
    loop.start(forever(), clock.now + 5, ended.append)
    loop.turn(0)
    assert [type(error) for error in ended] == [ZeroDivisionError]
    assert loop.running == 1
    loop.close()


def test_loop_forgets_timers_of_tasks_that_are_over(clock: Clock) -> None:
    """10,000 short tasks with far deadlines leave no 10,000 timers behind."""

    def short() -> Task[None]:
        yield clock.now

    loop = Loop(clock)
    for _ in range(10_000):
        loop.start(short(), clock.now + 3600, lambda _: None)
        loop.turn(0)
    assert len(loop._timers) < 1000
    loop.close()


def test_loop_resumes_the_task_whose_socket_is_ready() -> None:
    """What comes on a socket reaches its own task, and a closed socket is forgotten."""
    loop, got = Loop(), []
    ours, theirs = socket.socketpair()

    def reader() -> Task[None]:
        port = loop.watch(ours)
        while not port.readable:
            yield None
        got.append(ours.recv(10))
        loop.close_socket(ours)

    loop.start(reader(), loop.now() + 5, got.append)
    theirs.send(b"hello")
    while loop.running:
        loop.turn(1)
    assert got == [b"hello", None]
    assert loop._ports == {}
    theirs.close()
    loop.close()


def test_loop_watch_outside_a_task_is_refused() -> None:
    """A socket belongs to a task."""
    loop = Loop()
    with socket.socket() as alone, pytest.raises(RuntimeError, match="only a task"):
        loop.watch(alone)
    loop.close()


def test_loop_close_ends_tasks_where_they_stand() -> None:
    """A task that is closed runs its `finally`, and its end is not reported."""
    loop, closed, ended = Loop(), [], []
    ours, theirs = socket.socketpair()

    def waiting() -> Task[None]:
        loop.watch(ours)
        try:
            while True:
                yield None
        finally:
            closed.append(True)

    loop.start(waiting(), loop.now() + 5, ended.append)
    loop.close()
    assert (closed, ended) == ([True], [])
    ours.close()
    theirs.close()


def test_alarm_ends_a_wait_from_another_thread(until: Until) -> None:
    """A ring wakes the loop out of a long wait; rings after the end do nothing."""
    loop = Loop()
    alarm = Alarm(loop)
    loop.start(alarm.listen(), float("inf"), lambda _: None)
    thread = threading.Thread(target=loop.turn, args=(60,), daemon=True)
    thread.start()
    for _ in range(100_000):
        alarm.ring()
    until(lambda: not thread.is_alive())
    loop.close()
    alarm.close()
    alarm.ring()
