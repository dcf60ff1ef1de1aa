import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzzing import bombs, inputs
from tests.fuzzing.bombs import BOMBS, Bomb
from tests.fuzzing.machine import Failure, Target, fuzz, watchdog
from tests.fuzzing.targets import TARGETS

#: Cases of a cheap target; `python bench/fuzz.py` runs a million.
CASES = 200
SEED = 20261121
#: The bombs at a hundredth of their size.
SCALE = 0.01


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What targets log about bad input is not looked at."""
    with caplog.at_level(logging.CRITICAL + 1, "exporter"):
        yield


@pytest.mark.filterwarnings("ignore:Possible nested set:FutureWarning", "ignore:Possible set:FutureWarning")
@pytest.mark.parametrize("name", sorted(TARGETS))
def test_hostile_input_raises_only_what_is_documented(name: str, tmp_path: Path) -> None:
    """No input makes a parser, loader or endpoint raise, lose or show what it may not, or take over a second."""
    it = TARGETS[name]
    with watchdog():
        result = fuzz(it, tmp_path, SEED, range(len(it.seeds) + max(5, int(CASES * min(1.0, it.share)))))
    assert result.failures == {}


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb.__name__)
def test_large_hostile_input_is_survived_in_little_memory(bomb: Bomb, tmp_path: Path) -> None:
    """Bombs, endless lines, clocks that jump, full disks and what is no file cost time and memory within bounds."""
    _, grown = bombs.set_off(bomb, tmp_path / "bomb", SCALE)
    assert grown < bombs.MEMORY_BYTES


def _raising(data: bytes) -> object:
    return {b"value": int, b"key": {}.__getitem__}.get(data, len)("x")


def test_fuzz_finds_what_is_not_allowed(tmp_path: Path) -> None:
    """An error that is not named is a failure with its place and input; one that is named is none."""
    it = Target("sample", lambda _: _raising, (b"value", b"key", b"good"), (ValueError,))
    failures = fuzz(it, tmp_path, 1, range(3)).failures
    assert [(failure.number, failure.data) for found in failures.values() for failure in found] == [(1, b"key")]


def test_fuzz_ends_a_case_that_takes_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A case that never ends is a failure, and the next case runs."""
    monkeypatch.setattr("tests.fuzzing.machine.CASE_SECONDS", 0.02)

    def endless(data: bytes) -> None:
        while data == b"endless":
            pass

    with watchdog():
        result = fuzz(Target("sample", lambda _: endless, (b"endless", b"good")), tmp_path, 1, range(2))
    ((failure,),) = result.failures.values()
    assert isinstance(failure, Failure)
    assert (failure.number, failure.what[:4], result.cases) == (0, "over", 2)


def test_case_is_made_from_its_number_alone() -> None:
    """A case can be run again; another number or seed makes another one."""
    it = TARGETS["error_report"]
    assert it.case(1, 77) == it.case(1, 77)
    assert len({it.case(seed, number) for seed in (1, 2) for number in range(50, 70)}) > 30


def test_cases_are_bounded() -> None:
    """No input is larger than what a grown one may be."""
    it = TARGETS["message_masks"]
    assert max(len(it.case(3, number)) for number in range(1000)) <= inputs.BLOWN_UP
