import io
import json
import logging
import re
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.logs import MAX_VALUE, JsonFormatter, LogfmtFormatter, clean, configure, event

PAIR = re.compile(r'([\w.-]+)=("(?:[^"\\]|\\.)*"|[^ "]*)(?: |$)')
HOSTILE = [
    'a" level=critical msg="forged',
    "back\\slash\\",
    "line\nbreak\r\nand\u2028separator\u2029",
    "\x1b[31mred\x1b[0m",
    "\u202egnp.exe",
    "nul\x00",
    "\ud800 alone",
    "\x9b31m C1",
    "tab\tkey=value",
    "",
    "=",
    "\u200bzero width",
]


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, as it was afterwards."""
    logger = logging.getLogger()
    before, level = logger.handlers[:], logger.level
    yield logger
    logger.handlers[:] = before
    logger.setLevel(level)


def line(form: logging.Formatter, text: str, **fields: object) -> str:
    """One event as *form* writes it."""
    record = logging.makeLogRecord({"name": "a.b", "levelname": "INFO", "created": 1767323045.678, "msg": text})
    record.nightshift_fields = fields
    return form.format(record)


def parsed(text: str) -> dict[str, str]:
    """The pairs of a logfmt line, unquoted as Go's strconv.Unquote does; the whole line must be pairs."""
    pairs = PAIR.findall(text)
    assert "".join(f"{key}={value} " for key, value in pairs).strip() == text.strip()
    return {key: unquoted(value) for key, value in pairs}


def unquoted(value: str) -> str:
    """A quoted value's text."""
    if not value.startswith('"'):
        return value
    escapes = re.compile(r"\\(x..|u....|U........|.)")
    plain = {"n": "\n", "r": "\r", "t": "\t"}
    return escapes.sub(lambda m: chr(int(m[1][1:], 16)) if len(m[1]) > 1 else plain.get(m[1], m[1]), value[1:-1])


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("form", [LogfmtFormatter(), JsonFormatter()])
def test_format_hostile_value_stays_one_printable_line(form: logging.Formatter, text: str) -> None:
    """No value can split, colour or reorder a line."""
    shown = line(form, text, value=text)
    assert shown.isprintable()
    assert shown.encode().decode().splitlines() == [shown]


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=40), st.text(max_size=40))
def test_format_logfmt_gives_every_value_back(first: str, second: str) -> None:
    """Whatever the values are, a reader of logfmt finds exactly these keys with exactly these values."""
    pairs = parsed(line(LogfmtFormatter(), first, after=second, n=1))
    assert list(pairs) == ["ts", "level", "logger", "msg", "after", "n"]
    assert (pairs["msg"], pairs["after"]) == (first, second)


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=40), st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9)))
def test_format_json_is_strict_json(text: str, value: object) -> None:
    """Every line parses with a parser that knows no NaN."""

    def refuse(word: str) -> None:
        raise AssertionError(word)

    pairs = json.loads(line(JsonFormatter(), text, value=value), parse_constant=refuse)
    assert pairs["msg"] == clean(text)


def test_format_keeps_emoji_of_the_required_texts() -> None:
    """The product requirements' texts come out as they are written."""
    text = "🤖 ❌ 🔧 👩‍💻 ⚠️ started"
    assert clean(text) == text
    assert text in line(LogfmtFormatter(), text)


def test_format_logfmt_has_plain_values_unquoted() -> None:
    """Numbers, words, truth and nothing need no quotes."""
    shown = line(LogfmtFormatter(), "stored it", a=1, b=True, c=None, d=1.5, e="word", f="")
    assert shown == (
        'ts=2026-01-02T03:04:05.678Z level=info logger=a.b msg="stored it" a=1 b=true c=null d=1.5 e=word f=""'
    )


def test_format_field_cannot_replace_what_the_line_is() -> None:
    """A field called `level` is shown beside the real one, and a field's name cannot break the line."""
    pairs = parsed(line(LogfmtFormatter(), "x", **{"level": "fatal", "a b=": "c", "msg": "y"}))
    assert (pairs["level"], pairs["level_"], pairs["a_b_"], pairs["msg"]) == ("info", "fatal", "c", "x")


def test_format_traceback_keeps_its_end() -> None:
    """What was raised stands at the end of a traceback, so the beginning is cut."""
    error = ValueError("x" * MAX_VALUE + "the end")
    record = logging.makeLogRecord({"exc_info": (type(error), error, None)})
    assert "the end" in LogfmtFormatter().format(record)


def test_clean_cuts_long_text_and_says_so() -> None:
    """A value of megabytes is a line of 2,000 characters and its length."""
    assert clean("a" * 1_000_000) == "a" * MAX_VALUE + "... (1000000 characters)"


@pytest.mark.parametrize(("form", "opening"), [("logfmt", "ts="), ("json", '{"ts": ')])
def test_configure_sends_events_to_one_stream(root: logging.Logger, form: str, opening: str) -> None:
    """After configure every logger writes one line an event, and only from the level on."""
    stream = io.StringIO()
    configure("warning", form, stream)
    event(logging.getLogger("x"), logging.INFO, "quiet")
    event(logging.getLogger("x"), logging.ERROR, "100 % loud", a=1)
    assert stream.getvalue().startswith(opening)
    assert stream.getvalue().count("\n") == len(root.handlers) == 1
