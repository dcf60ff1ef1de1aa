import random
from collections import defaultdict
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.analysis.error_patterns import MAX_MESSAGE_LENGTH, Miner

EVENTS = Path(__file__).parent.parent / "fixtures" / "log_events.txt"
SERVICES = ["chargen", "daytime", "echo", "time"]


def events() -> list[list[str]]:
    """The blocks of the fixture: the messages of one event each."""
    lines = [line for line in EVENTS.read_text().splitlines() if not line.startswith("#")]
    blocks = "\n".join(lines).split("\n\n")
    return [block.strip().split("\n") for block in blocks if block.strip()]


def fingerprints(miner: Miner, messages: list[str]) -> dict[str, str]:
    """The fingerprint that each message is given."""
    return {message: miner.add(message).fingerprint for message in messages}


def test_add_tells_the_first_message_of_a_pattern() -> None:
    """The first message of an event is new; the next one, with other parameters, is not."""
    miner = Miner()
    first = miner.add("connection from 10.0.0.7 refused")
    second = miner.add("connection from 10.9.9.9 refused")
    assert (first.is_new, second.is_new) == (True, False)
    assert first.fingerprint == second.fingerprint
    assert second.template == "connection from <*> refused"


def test_add_never_joins_two_events_of_the_fixture() -> None:
    """No two events of thirty programs share a pattern: an alert on one would hide the other."""
    found = defaultdict(set)
    miner = Miner()
    for number, messages in enumerate(events()):
        for message in messages:
            found[miner.add(message).fingerprint].add(number)
    assert [numbers for numbers in found.values() if len(numbers) > 1] == []


def test_add_rarely_splits_an_event_of_the_fixture() -> None:
    """Of 20 events at least 17 get one pattern each, though many lines differ in names without a digit only."""
    miner = Miner()
    whole = [len(set(fingerprints(miner, messages).values())) == 1 for messages in events()]
    assert sum(whole) >= 17 / 20 * len(whole)


@settings(deadline=None, max_examples=6)
@given(st.randoms(use_true_random=False))
def test_add_gives_one_fingerprint_in_any_order(order: random.Random) -> None:
    """A process that starts with nothing known names each message as every other one did."""
    messages = [message for block in events() for message in block]
    expected = fingerprints(Miner(), messages)
    order.shuffle(messages)
    assert fingerprints(Miner(), messages) == expected


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(st.sampled_from("abcdef"), min_size=2, max_size=3).map(" ".join), max_size=60))
def test_add_never_changes_a_fingerprint(messages: list[str]) -> None:
    """A message keeps the fingerprint that it was given, also when its like become a family."""
    miner = Miner()
    given_out: dict[str, str] = {}
    for message in messages:
        fingerprint = miner.add(f"at {message}").fingerprint
        miner._clear_shortcut()
        assert given_out.setdefault(message, fingerprint) == fingerprint


def test_add_takes_a_word_for_a_parameter_when_it_varies() -> None:
    """The fifth of five messages that differ in one word is not new."""
    miner = Miner()
    matches = [miner.add(f"removing {service}") for service in [*SERVICES, "finger"]]
    assert [match.is_new for match in matches] == [True, True, True, True, False]
    assert matches[-1].template == "removing <*>"


@settings(deadline=None, max_examples=30)
@given(st.lists(st.text(min_size=1, max_size=20), max_size=80), st.integers(1, 20))
def test_len_never_passes_the_cap(messages: list[str], cap: int) -> None:
    """However many patterns there are, no more are kept than may be."""
    miner = Miner(max_patterns=cap)
    for message in messages:
        miner.add(message)
    assert len(miner) <= cap


def test_add_forgets_what_was_not_seen_for_longest() -> None:
    """A pattern that is seen all the time is never forgotten."""
    miner = Miner(max_patterns=16)
    for number in range(100):
        miner.add("always here")
        miner.add(f"{'x' * number} once only {'y' * number}")
    assert not miner.add("always here").is_new
    assert len(miner) <= 16


def test_add_knows_an_evicted_pattern_again() -> None:
    """A pattern that had to make room and comes back is no new error."""
    miner = Miner(max_patterns=2)
    before = miner.add("disk is full")
    for word in SERVICES:
        miner.add(f"{word} failed")
    after = miner.add("disk is full")
    assert (after.fingerprint, after.is_new) == (before.fingerprint, False)


def test_add_looks_at_the_beginning_of_a_long_message_only() -> None:
    """What stands behind the limit makes no other pattern, wherever the limit falls in a word."""
    miner = Miner()
    beginning = "cannot parse " + "x" * (MAX_MESSAGE_LENGTH - 20)
    first = miner.add(f"{beginning} word{'y' * 5000}")
    assert miner.add(f"{beginning} {'z' * 9_000_000}") == msgspec.structs.replace(first, is_new=False)
    assert len(first.template) < 500


def test_shortcut_is_bounded() -> None:
    """Messages that all differ without a digit do not fill the memory."""
    miner = Miner(max_patterns=10)
    for length in range(MAX_MESSAGE_LENGTH - 20):
        miner.add(f"cannot find '{'x' * length}'")
        assert miner._shortcut_bytes <= 512 * 1024
    assert len(miner) == 1


def test_restore_knows_every_message_again() -> None:
    """After a restart nothing that was known is new, families included, and nothing has another fingerprint."""
    messages = [message for block in events() for message in block] + [f"removing {service}" for service in SERVICES]
    before = Miner()
    expected = fingerprints(before, messages)
    after = Miner.restore(before.dump())
    assert not any(after.add(message).is_new for message in messages)
    assert fingerprints(after, messages) == expected
    assert not after.add("removing anything").is_new


def test_restore_keeps_the_latest_under_a_smaller_cap() -> None:
    """A lower cap after a restart keeps what was seen last, and still knows the rest as seen."""
    before = Miner()
    for service in SERVICES:
        before.add(f"{service} failed")
    after = Miner.restore(before.dump(), max_patterns=2)
    assert len(after) <= 2
    assert not any(after.add(f"{service} failed").is_new for service in SERVICES)


@pytest.mark.parametrize("dump", [b"", b"nonsense", msgspec.msgpack.encode([2, [], []]), msgspec.msgpack.encode([1])])
def test_restore_refuses_what_is_no_dump(dump: bytes) -> None:
    """A damaged or foreign dump is an error that the caller can catch, never half a miner."""
    with pytest.raises(msgspec.DecodeError):
        Miner.restore(dump)


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=400))
def test_add_takes_any_text(message: str) -> None:
    """No text raises; each has a fingerprint of 12 hex digits and a template without control characters."""
    match = Miner().add(message)
    assert len(match.fingerprint) == 12
    assert "\0" not in match.template
