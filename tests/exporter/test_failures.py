from exporter.walks.failures import DETAIL_CHARACTERS, SNIPPET_CHARACTERS, FailureLog, StepResult, describe, timestamp
from exporter.walks.message import Reply, Request, StepFailed
from exporter.walks.secret_words import SecretWords
from exporter.walks.visitor import Exchange

STEP = StepResult("cart", success=False, seconds=1.5)


def test_describe_keeps_little() -> None:
    """However long the texts are, what is kept is short."""
    last = Exchange(Request("POST", "http://h/", (), b"x" * 10**6), Reply("http://h/", 500, (), b"y" * 10**6))
    failure = describe(StepFailed("status", "z" * 10**6), STEP, last, SecretWords(), 0.0)
    assert len(failure.request) <= SNIPPET_CHARACTERS + 3
    assert len(failure.response) <= SNIPPET_CHARACTERS + 3
    assert len(failure.detail) <= DETAIL_CHARACTERS + 3


def test_describe_before_anything_was_asked() -> None:
    """A step that failed before its request has neither request nor answer."""
    failure = describe(StepFailed("variable", "no value"), STEP, None, SecretWords(), 0.0)
    assert (failure.step, failure.reason, failure.request, failure.response) == ("cart", "variable", "", "")
    assert (failure.time, failure.seconds) == ("1970-01-01T00:00:00Z", 1.5)


def test_log_keeps_the_last_of_each_name() -> None:
    """The oldest of a name goes; another name's failures drive none out."""
    log = FailureLog(2)
    for number in range(5):
        log.add("a", describe(StepFailed("status", str(number)), STEP, None, SecretWords(), 0.0))
    log.add("b", describe(StepFailed("status", "b"), STEP, None, SecretWords(), 0.0))
    assert [failure.detail for failure in log.of("a")] == ["4", "3"]
    assert log.of("nobody") == []


def test_timestamp_is_utc() -> None:
    """Seconds since 1970 as people write them."""
    assert timestamp(1_700_000_000.9) == "2023-11-14T22:13:20Z"
