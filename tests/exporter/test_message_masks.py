import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.analysis.message_masks import MAX_FORM_LENGTH, RULES, Rule, canonical, mask

#: For each rule two messages that are one event only by that rule.
ONE_EVENT = {
    "date": ("cert expires Sat Nov 21 2026", "cert expires Wed Dec 2 2026"),
    "url": ("cannot load https://example.com/a(1)", "cannot load redis://cache(1)"),
    "email": ("bounced: ann@example.org", "bounced: bob-smith@mail"),
    "quoted message": ('stderr: "Error: disk full" now', "stderr: Error: disk full now"),
    "quoted": ('unknown option "color mode"', "unknown option 'size'"),
    "address": ("listening on ::", "listening on fe80::ab:cd"),
    "key value": ("stopped state=idle", "stopped state=running"),
    "literal": ("sync finished: true", "sync finished: false"),
    "exception": ("java.io.IOException: broken pipe", "IOException: broken pipe"),
    "host": ("peer localhost gone", "peer shop.example:80 gone"),
    "dotted": ("android.intent.TICK was got", "org.acme.shop.Tock was got"),
    "path": ("removed /var/cache/a", "removed ./tmp"),
    "drive": (r"removed C:\Temp\a", r"removed D:\b"),
    "hexadecimal": ("at deadbeef", "at cafebabe"),
    "name of a kind": ("session closed for user root", "session closed for user deploy"),
    "name after a preposition": ("login failed for admin.", "login failed for jane."),
    "name before an address": ("password for root from 10.0.0.1", "password for Backup from 10.0.0.1"),
    "after colon": ("moved newPosition:left", "moved newPosition:right"),
    "field of a record": ("Task { kind: batch, state: done }", "Task { kind: stream, state: lost }"),
    "in angles": ("mail from <root> deferred", "mail from <ann> deferred"),
    "list of names": ("groups are adm, cdrom, sudo", "groups are adm, lp, ssh, video"),
    "in parentheses": ("imap(ann): logged out", "imap(bob): logged out"),
    "in braces": ("gone: Window{Main u0}", "gone: Window{Dialog u0}"),
    "in brackets": ("Link [LNKA] up", "Link [LNKB, LNKC] up"),
    "snake case": ("mounting root_domain", "mounting usr_backup"),
    "file or host": ("reading hosts.allow", "reading passwd.bak"),
    "comparison": ("took <1 units", "took 7 units"),
    "restated quantity": ("sent 812 bytes", "sent 2048 bytes (2 KB)"),
    "unit": ("slept 5 seconds", "slept 300 ms"),
    "empty parentheses": ("from 10.0.0.1 ()", "from 10.0.0.1 (10.0.0.1)"),
    "empty brackets": ("free nodes: []", "free nodes: [1, 2]"),
    "unit file": ("nginx.service: exited", "redis@main.service: exited"),
    "space": ("a  problem", "a\tproblem"),
    "list": ("deleting blk1", "deleting blk1 blk2, blk3 and blk4"),
    "nested value": ("release ws=null", "release ws=WorkSource{10045}"),
    "repetition": ("slots free busy end", "slots free busy free busy free busy end"),
}

words = st.sampled_from(["cannot", "reach", "backend", "while", "retry", "closed", "the", "Queue", "lost:", "(again)"])
digits = st.integers(-(10**20), 10**20).map(str)
kinds = st.sampled_from(
    [
        digits,
        st.floats(allow_nan=False, allow_infinity=False).map(str),
        st.uuids().map(str),
        st.binary(min_size=4, max_size=20).map(bytes.hex),
        st.integers(0, 2**64).map(hex),
        st.ip_addresses(v=4).map(str),
        st.ip_addresses(v=6).map(str),
        st.tuples(st.ip_addresses(v=4), st.integers(1, 65535)).map("{0[0]}:{0[1]}".format),
        st.lists(st.binary(min_size=1, max_size=1).map(bytes.hex), min_size=6, max_size=6).map(":".join),
        st.datetimes().map(lambda moment: moment.isoformat()),
        st.datetimes().map(lambda moment: moment.strftime("%d/%b/%Y:%H:%M:%S")),
        st.times().map(lambda time: time.isoformat("seconds")),
        st.lists(st.from_regex(r"[a-z0-9_.-]{1,8}", fullmatch=True), min_size=1, max_size=5)
        .map("/".join)
        .map("/{}".format),
        st.from_regex(r"[A-Z]:(\\[A-Za-z0-9_.-]{1,8}){1,4}", fullmatch=True),
        st.from_regex(r"https?://[a-z]{1,9}(\.[a-z]{2,5})?(:[0-9]{2,4})?(/[a-z0-9]{1,5}){0,3}", fullmatch=True),
        st.from_regex(r"[a-z]{1,9}@[a-z]{1,9}\.[a-z]{2,5}", fullmatch=True),
        st.from_regex(r'"[a-z 0-9]{0,12}"', fullmatch=True),
        st.from_regex(r"key=[a-z0-9/._-]{1,12}", fullmatch=True),
        st.lists(digits, min_size=1, max_size=9).map(", ".join),
    ]
)


@contextmanager
def cpu_limit(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the body once it has used so much CPU time, however busy the machine is."""

    def stop(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def form(message: str) -> str:
    """The canonical form of a whole message."""
    return canonical(mask(message))


@st.composite
def one_event(draw: st.DrawFn) -> tuple[str, str]:
    """Two messages of one event: the same words, parameters of the same kinds, other values."""
    pieces = draw(st.lists(st.tuples(words, st.none() | kinds), min_size=1, max_size=6))
    messages = (
        " ".join(f"{word} {draw(kind)}" if kind is not None else word for word, kind in pieces) for _ in range(2)
    )
    return next(messages), next(messages)


@settings(deadline=None, max_examples=150)
@given(one_event())
def test_canonical_is_the_same_whatever_the_parameters(messages: tuple[str, str]) -> None:
    """Numbers, ids, paths, addresses, times, quoted and keyed values leave no trace in the form."""
    assert form(messages[0]) == form(messages[1])


@pytest.mark.parametrize("name", [rule.name for rule in RULES])
def test_canonical_needs_each_rule(name: str) -> None:
    """Each rule makes two messages one event that would be two without it."""
    first, second = ONE_EVENT[name]
    others = [rule for rule in RULES if rule.name != name]
    assert form(first) == form(second)
    assert canonical(mask(first), others) != canonical(mask(second), others)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("portmap startup succeeded", "klogd startup succeeded"),
        ("layout begin", "layout end"),
        ("eth0: link up", "eth0: link down"),
        ("java.io.IOException: gone", "java.lang.IllegalStateException: gone"),
        ("user unknown", "user locked"),
        ('level=error msg="queue full" size=3', 'level=error msg="queue lost" size=3'),
        ('{"level": "error", "message": "mail failed"}', '{"level": "error", "message": "payment failed"}'),
        ('sent in stderr: "PHP Warning: no key"', 'sent in stderr: "PHP Warning: no file"'),
        ("parse.c:12: bad token", "lexer.c:12: bad token"),
        ("Call to undefined function mb_strlen()", "Call to undefined function iconv()"),
        ("0/3 nodes: Insufficient memory", "0/3 nodes: Insufficient cpu"),
        ("Task went from NEW to RUNNING", "Task went from NEW to FAILED"),
    ],
)
def test_canonical_tells_events_apart(first: str, second: str) -> None:
    """Words that say what happened stay, also where they stand like parameters."""
    assert form(first) != form(second)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("jetty-6.1.26", "jetty-\0"),
        ("/usr/sbin/cron", "/usr/sbin/cron"),
        ("a.b.cd : 17", "a.b.cd : \0"),
        ("日本 12", "日本 \0"),
        ("12", "\0"),
        ("", ""),
        ("\ud800", "\ud800"),
    ],
)
def test_canonical_keeps_something_to_read_where_there_is_something(message: str, expected: str) -> None:
    """A message that is nothing but parameters loses its numbers only."""
    assert form(message) == expected


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=300) | st.text(alphabet="a1\0 :=\"'/.[](){}<>-,_@ed", max_size=300))
def test_canonical_takes_any_text(message: str) -> None:
    """No text raises, and no form is longer than it may be."""
    assert len(form(message)) <= MAX_FORM_LENGTH


fragments = st.sampled_from(
    [
        *{word for pair in ONE_EVENT.values() for message in pair for word in message.split(" ")},
        *(
            "\0",
            " ",
            "  ",
            "\t",
            "\x7f",
            "\u2028",
            ":",
            ",",
            ".",
            "/",
            "(",
            ")",
            "[",
            "]",
            "'",
            '"',
            "a",
            "A",
            "é",
            "7",
        ),
    ]
)


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.glance is not bool], ids=lambda rule: rule.name)
@settings(deadline=None, max_examples=60)
@given(parts=st.lists(st.tuples(fragments, st.sampled_from(["", " "])), max_size=12), insertion=st.integers(0, 12))
def test_glance_misses_nothing(rule: Rule, parts: list[tuple[str, str]], insertion: int) -> None:
    """What a rule would change, its glance does not take for hopeless."""
    texts = [part + space for part, space in parts]
    for message in ONE_EVENT[rule.name]:
        text = mask("".join((*texts[:insertion], message, *texts[insertion:])))
        assert rule.glance(text) or rule.pattern.sub(rule.replacement, text) == text


@pytest.mark.parametrize(
    "piece",
    [
        *("a", "a.", "a ", "\0", "\0 ", "a_", "/", '"', "'", "a=b ", "a:", "[a] ", "for a ", "Mon ", "@", "::", " "),
        *("a\\", "A", "Aa", "aA:", "(a ", ". ", "a\0", "user ", "user: a", "\0 a"),
    ],
)
def test_canonical_is_linear_on_hostile_text(piece: str) -> None:
    """200,000 characters of what an expression would try again and again end within 4 s of CPU; quadratic takes 9."""
    with cpu_limit(4.0):
        assert len(canonical(piece * (200_000 // len(piece)))) <= MAX_FORM_LENGTH
