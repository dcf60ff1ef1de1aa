from exporter.probing import failures as module
from exporter.probing.attempt import Attempt, ProbeFailed
from exporter.probing.failures import Failures, failure
from exporter.probing.http_options import HttpOptions
from exporter.probing.modules import Module

KEY = ("http://shop.example/", "http_2xx")


def failed(number: int = 1, snippet: bytes = b"") -> Attempt:
    """A failed attempt."""
    attempt = Attempt(0.0, snippet=snippet)
    attempt.enter(0.0, "check")
    attempt.finish(float(number), ProbeFailed("status", f"HTTP {number}"))
    return attempt


def test_failures_keep_the_last_of_each_target() -> None:
    """Each target has its own; the newest comes first, and another's failures evict none."""
    kept = Failures(3)
    kept.add(("other", "m"), failure(failed(), Module("http"), 1.0))
    for number in range(10):
        kept.add(KEY, failure(failed(number), Module("http"), float(number)))
    assert [one.detail for one in kept.of(KEY)] == ["HTTP 9", "HTTP 8", "HTTP 7"]
    assert len(kept.of(("other", "m"))) == 1
    assert kept.failed() == [KEY, ("other", "m")]


def test_failures_of_too_many_targets_are_forgotten_oldest_first() -> None:
    """Whoever asks /probe for ever new targets does not fill the memory."""
    kept = Failures(1)
    for number in range(module.MAX_TARGETS + 10):
        kept.add((str(number), "m"), failure(failed(), Module("http"), 1.0))
    assert len(kept.failed()) == module.MAX_TARGETS
    assert kept.of(("0", "m")) == []


def test_failures_keep_none_when_told_so() -> None:
    """`keep_failures: 0` keeps nothing."""
    kept = Failures(0)
    kept.add(KEY, failure(failed(), Module("http"), 1.0))
    assert kept.failed() == []


def test_failure_is_without_secrets() -> None:
    """Neither the module's secrets nor what looks like one is kept; control characters are made visible."""
    options = HttpOptions(headers={"X-Key": "k-1234"})
    snippet = b"HTTP/1.1 500 Oops\r\nSet-Cookie: session=abc\r\n\r\nkey k-1234 password=hunter2 \x1b[31m"
    found = failure(failed(snippet=snippet), Module("http", http=options), 1.0)
    assert not any(word in found.response for word in ("abc", "k-1234", "hunter2", "\x1b"))
    assert (found.reason, found.step) == ("status", "1 check")
