import errno
import ssl

import pytest

from exporter.probing.attempt import MAX_STEPS, REASONS, Attempt, ProbeFailed, explain


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ProbeFailed("status", "x"), "status"),
        (TimeoutError(), "timeout"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "refused"),
        (ConnectionResetError(errno.ECONNRESET, "x"), "reset"),
        (BrokenPipeError(errno.EPIPE, "x"), "reset"),
        (ssl.SSLError(1, "x"), "tls"),
        (ssl.SSLCertVerificationError("x"), "tls"),
        (OSError(errno.EHOSTUNREACH, "x"), "unreachable"),
        (OSError(errno.EMFILE, "x"), "unreachable"),
        (PermissionError(errno.EPERM, "x"), "permission"),
        (ZeroDivisionError("x"), "error"),
    ],
)
def test_explain_gives_a_reason_of_the_fixed_set(error: BaseException, reason: str) -> None:
    """Whatever ends a probe has a reason that may be a label, and a sentence."""
    found, text = explain(error)
    assert found == reason
    assert found in REASONS
    assert text


def test_attempt_numbers_its_steps_and_sums_phases() -> None:
    """Steps count from 1; a phase that comes again adds up."""
    attempt = Attempt(100.0)
    attempt.enter(100.0, "resolve")
    attempt.enter(100.5, "connect")
    attempt.spend("connect", 1)
    attempt.spend("connect", 2)
    attempt.finish(104.0, TimeoutError("late"))
    assert (attempt.step, attempt.step_name, attempt.reason) == (2, "connect", "timeout")
    assert (attempt.phases, attempt.duration) == ({"connect": 3}, 4.0)


def test_attempt_lines_tell_what_happened_when() -> None:
    """Milliseconds since the beginning, values in their places; braces in values stay as they are."""
    attempt = Attempt(100.0)
    attempt.note(100.0015, "sent {} to {}", 3, "{x}")
    assert attempt.lines() == ["    1.500 ms  sent 3 to {x}"]


def test_attempt_keeps_a_bounded_number_of_steps() -> None:
    """A run of a million steps fills no memory."""
    attempt = Attempt(0.0)
    for number in range(10_000):
        attempt.note(0.0, "{}", number)
    assert len(attempt.steps) == MAX_STEPS
