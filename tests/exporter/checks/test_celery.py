import pytest

from chassis.config_file import ConfigInvalid, decode
from exporter.checks import celery
from exporter.checks.celery import CeleryRule
from exporter.checks.outcome import Outcome, outcome_of
from tests.exporter.checks.test_pidbox import Broker
from tests.exporter.peers import Play, peer, says

OK = b"+OK\r\n"


def ask(play: Play, seconds: float = 5.0, **keys: object) -> Outcome:
    """The outcome of a check through a peer."""
    with peer(play) as it:
        return outcome_of(CeleryRule(it.address, **keys).check(seconds))  # type: ignore[arg-type]


def numbers(outcome: Outcome) -> dict[str, float]:
    """What the outcome tells besides, by the short names of the metrics."""
    return {metric.name.removeprefix("nightshift_celery_"): value for metric, value, _ in outcome.readings}


def test_check_answering_workers_are_up() -> None:
    """Workers are counted, and the lengths of a queue's four lists are one."""
    outcome = ask(Broker(2, ["a@h", "b@h"]))
    assert outcome.up
    assert numbers(outcome) == {"queue_length": 4, "workers": 2, "workers_listening": 2}


@pytest.mark.parametrize(
    ("heard", "answering", "reason"), [(0, [], "no_workers"), (2, [], "no_reply"), (2, ["a@h"], "too_few_workers")]
)
def test_check_missing_workers_are_down(heard: int, answering: list[str], reason: str) -> None:
    """Gone, silent and too few are told apart, and the numbers are shown all the same."""
    outcome = ask(Broker(heard, answering), 0.2, minimum=2)
    assert outcome.reason == reason
    assert reason in celery.REASONS
    assert numbers(outcome)["workers"] == len(answering)


def test_check_queues_alone() -> None:
    """Without a ping the lengths are all that is asked."""
    play = says(OK, b":7\r\n", b":0\r\n", b":0\r\n", b":1\r\n")
    outcome = ask(play, ping=False, database=3)
    assert outcome.up
    assert numbers(outcome) == {"queue_length": 8}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"-NOAUTH Authentication required.\r\n", "auth"),
        (b"-LOADING Redis is loading\r\n", "loading"),
        (b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n", "error"),
    ],
)
def test_check_broker_that_refuses_is_down(answer: bytes, reason: str) -> None:
    """The broker's own trouble has Redis's reasons."""
    assert ask(says(OK, answer)).reason == reason


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"database": -1}, "database: is -1; write 0 to 65535"),
        ({"minimum": 0}, "minimum: is 0; write 1 to 1000"),
        ({"ping": False, "queues": []}, "at least one where ping is false"),
        ({"queues": ["q"] * 101}, "up to 100 queues"),
        ({"address": "x"}, "write HOST:PORT"),
    ],
)
def test_rule_refuses_what_checks_nothing(document: dict[str, object], message: str) -> None:
    """A rule that can never say anything is an error of the configuration."""
    with pytest.raises(ConfigInvalid, match=message):
        decode({"address": "h:1"} | document, CeleryRule, "exporter.yml")
