import contextlib
import math
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.config_file import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_NODES,
    ConfigInvalid,
    decode,
    load,
    lower_first,
    nearest,
    read,
    unknown_keys,
)

Refusal = Callable[[str | bytes], str]


class Check(msgspec.Struct, frozen=True):
    """A struct within a struct."""

    within: str = "1m"
    times: int = 1


class Book(msgspec.Struct, frozen=True):
    """A struct in a list."""

    name: str = ""
    verify: Check | None = None


class Port(msgspec.Struct, frozen=True, tag="port", tag_field="kind"):
    """One alternative of a tagged union."""

    number: int = 0


class Page(msgspec.Struct, frozen=True, tag="page", tag_field="kind"):
    """The other alternative."""

    url: str = ""


class Whole(msgspec.Struct, frozen=True):
    """Every kind of type that a configuration has."""

    books: tuple[Book, ...] = ()
    pair: tuple[Check, Book] | None = None
    by_name: dict[str, Check] = {}
    either: Port | Page | None = None
    bounded: Annotated[list[Check], msgspec.Meta(max_length=3)] = []
    ratio: float = 0.0


class Ranges(msgspec.Struct, frozen=True):
    """Numbers with limits."""

    share: Annotated[float, msgspec.Meta(ge=0.05, le=1)] | None = None
    least: dict[str, Annotated[int, msgspec.Meta(ge=2)]] = {}
    above: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    between: Annotated[float, msgspec.Meta(gt=0, le=300)] = 1.0


@pytest.fixture
def refusal(tmp_path: Path) -> Refusal:
    """The message with which a text is refused, without the file's name."""

    def refusal(text: str | bytes) -> str:
        file = tmp_path / "app.yml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(ConfigInvalid) as caught:
            load(file, Whole)
        message = str(caught.value)
        assert message.startswith("app.yml: ")
        assert "\n" not in message
        return message.removeprefix("app.yml: ")

    return refusal


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("book: []", 'unknown key "book" (did you mean "books"?)'),
        ("zzz: 1", 'unknown key "zzz" (known: books, bounded, by_name, either, pair, ratio)'),
        ("1: 2", 'unknown key "1" (known: books, bounded, by_name, either, pair, ratio)'),
        ("books: [{}, {}, {verify: {whithin: 1m}}]", 'books[2].verify: unknown key "whithin" (did you mean "within"?)'),
        ("pair: [{times: 1}, {times: 1}]", 'pair[1]: unknown key "times" (known: name, verify)'),
        ("by_name: {x: {tims: 1}}", 'by_name.x: unknown key "tims" (did you mean "times"?)'),
        ("bounded: [{tims: 1}]", 'bounded[0]: unknown key "tims" (did you mean "times"?)'),
        ("either: {kind: page, number: 1}", 'either: unknown key "number" (known: kind, url)'),
        ("either: {kind: pgae}", "either.kind: invalid value 'pgae'"),
        ("books: [{verify: {times: x}}]", "books[0].verify.times: expected `int`, got `str`"),
        ("by_name: {1: {}}", "by_name: key: expected `str`, got `int`"),
        ("[]", "expected `object`, got `array`"),
        ("ratio: 1e400", "ratio: expected `float`, got `str`"),
    ],
)
def test_load_wrong_document_names_place_and_remedy(refusal: Refusal, text: str, message: str) -> None:
    """Every mistake is answered with where it is and what would be right, word for word."""
    assert refusal(text) == message


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"share": 1.5}, "share: is 1.5; write 0.05 to 1"),
        ({"share": 0}, "share: is 0; write 0.05 to 1"),
        ({"share": math.nan}, "share: is out of range; write 0.05 to 1"),
        ({"share": [1]}, "share: expected `float | null`, got `array`"),
        ({"least": {"a": 2, "b": 1}}, "least.b: is 1; write 2 or more"),
        ({"above": -3}, "above: is -3; write more than 0"),
        ({"between": 16**9000}, "between: is out of range; write more than 0 to 300"),
    ],
)
def test_decode_number_out_of_range_names_value_and_range(document: object, message: str) -> None:
    """Whoever writes a number that is too large or too small reads both ends of what may be written."""
    with pytest.raises(ConfigInvalid) as caught:
        decode(document, Ranges, "app.yml")
    assert str(caught.value) == f"app.yml: {message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ratio: 1\nratio: 2", "line 2, column 1: the key 'ratio' is given twice"),
        ("? [a]\n: b", "line 1, column 3: a key must be a word"),
        ("a: &x 1\nb: *x", "line 2, column 4: aliases (*name) are not supported"),
        ("ratio: !!python/object:os.system x", "line 1, column 8: could not determine a constructor for the tag"),
        ("<<: {ratio: 1}", "line 1, column 1: could not determine a constructor for the tag"),
        ("--- 1\n--- 2", "line 2, column 1: but found another document"),
        ("ratio: !!bool maybe", "line 1, column 8: no valid bool"),
        ('ratio: !!int ""', "line 1, column 8: no valid int"),
        ("ratio: !!timestamp soon", "line 1, column 8: no valid timestamp"),
        ("ratio: " + "9" * 5_000, "line 1, column 8: no valid int"),
        (r'ratio: "\ud800"', "line 1, column 8: half of a pair of surrogates (such as \\ud83d) is no character"),
        (r'ratio: "a\0b"', "line 1, column 8: the character NUL can be in no path, name or address"),
        ('ratio: "open', "line 1, column 13: found unexpected end of stream"),
        ("\tratio: 1", "line 1, column 1: found character '\\t' that cannot start any token"),
        ("[" * 100_000, f"line 1, column {MAX_DEPTH + 1}: nested deeper than {MAX_DEPTH}"),
        ("- a\n" * (MAX_NODES + 1), f"line {MAX_NODES}, column 3: more than {MAX_NODES} values"),
        ("#" * (MAX_BYTES + 1), f"is larger than {MAX_BYTES} bytes"),
        (b"\xff\xfe\xff", "not YAML: "),
        (b"a: \x00", "not YAML: unacceptable character #x0000"),
        (b"a: \xff", "not YAML: unacceptable character #x00ff"),
    ],
)
def test_load_hostile_text_is_refused_with_its_place(refusal: Refusal, text: str | bytes, message: str) -> None:
    """Bombs, tags, duplicates and broken bytes end in one line that says where, never in a traceback."""
    assert refusal(text).startswith(message)


def test_load_alias_bomb_is_refused_at_its_first_alias(refusal: Refusal) -> None:
    """Nine levels of nine aliases stand for 9**9 values; not one alias is followed."""
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    assert refusal("\n".join(lines)).startswith("line 2, column 8: aliases")


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "{}"])
def test_load_empty_file_gives_the_defaults(tmp_path: Path, text: str) -> None:
    """A file that says nothing is not a mistake."""
    (tmp_path / "app.yml").write_text(text)
    assert load(tmp_path / "app.yml", Whole) == Whole()


def test_load_good_file_reaches_every_kind_of_type(tmp_path: Path) -> None:
    """Tuples, pairs, dictionaries, tagged unions and annotated lists of structs are read without a false alarm."""
    file = tmp_path / "app.yml"
    file.write_text(
        "pair: [{times: 2}, {name: n}]\nby_name: {x: {times: 3}}\n"
        "either: {kind: port, number: 4}\nbounded: [{times: 5}]\n"
    )
    whole = load(file, Whole)
    assert whole.pair == (Check(times=2), Book(name="n"))
    assert (whole.by_name["x"].times, whole.either, whole.bounded[0].times) == (3, Port(number=4), 5)


@pytest.mark.parametrize(("name", "problem"), [("missing.yml", "No such file or directory"), (".", "Is a directory")])
def test_read_unreadable_file_names_its_path(tmp_path: Path, name: str, problem: str) -> None:
    """What cannot be opened is told with its whole path and the system's reason."""
    with pytest.raises(ConfigInvalid, match=problem) as caught:
        read(tmp_path / name)
    assert str(caught.value).startswith(str(tmp_path / name))


def test_decode_message_holds_what_a_struct_says_itself() -> None:
    """A struct's own check keeps its words; an abbreviation keeps its capitals."""

    class Odd(msgspec.Struct):
        url: str = ""

        def __post_init__(self) -> None:
            raise ValueError("URL - at `$.fake` is odd")

    with pytest.raises(ConfigInvalid, match=r"^here: URL - at `\$\.fake` is odd$"):
        decode({}, Odd, "here")


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"a": {"times": 1}, "b": {"times": "x"}}, "by_name.b.times: expected `int`, got `str`"),
        ({"a": {}, "b.c": {"depth": {"x": {"times": 0.5}}}}, "by_name.b.c.depth.x.times: expected `int`, got `float`"),
        ({"a": {"colour": "gren"}}, "by_name.a.colour: invalid enum value 'gren' (did you mean \"green\"?)"),
        ({"a": {"odd": {}}}, "by_name.a.odd: it has none"),
    ],
)
def test_decode_names_the_entry_of_a_mapping(document: object, message: str) -> None:
    """Of forty services it is this one; a wrong word gets the nearest right one."""

    class Picky(msgspec.Struct):
        def __post_init__(self) -> None:
            raise ValueError("it has none")

    class Entry(msgspec.Struct):
        times: int = 1
        colour: Literal["green", "red"] = "red"
        depth: dict[str, Check] = {}
        odd: Picky | None = None

    class Named(msgspec.Struct):
        by_name: dict[str, Entry] = {}

    with pytest.raises(ConfigInvalid, match=f"^here: {re.escape(message)}$"):
        decode({"by_name": document}, Named, "here")


@pytest.mark.parametrize(("word", "answer"), [("whithin", ' (did you mean "within"?)'), ("zzz", " (known: a, within)")])
def test_nearest_names_the_closest_or_all(word: str, answer: str) -> None:
    """A typo gets its remedy, anything else the list."""
    assert nearest(word, ["within", "a"]) == answer


def test_nearest_of_nothing_is_silent() -> None:
    """Where nothing is known there is nothing to propose."""
    assert nearest("word", []) == ""


def test_lower_first_keeps_abbreviations() -> None:
    """`JSON is malformed` does not become `jSON`."""
    assert (lower_first("JSON is"), lower_first("Expected"), lower_first("")) == ("JSON is", "expected", "")


def test_unknown_keys_of_an_untyped_part_are_nobody_s_business() -> None:
    """Where the type says nothing, every key is fine: another struct reads it later."""
    assert list(unknown_keys({"by_name": {"x": {}}, "ratio": {"deep": [1]}}, Whole)) == []


@settings(deadline=None, max_examples=100)
@given(st.text(alphabet="{}[]:,-?!&*|>'\"%@#\n\t 019aez~.<=bc", max_size=60))
def test_load_never_raises_anything_else(text: str) -> None:
    """Whatever stands in the file, the answer is a value or ConfigInvalid."""
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(ConfigInvalid):
        file = Path(folder) / "app.yml"
        file.write_text(text)
        assert isinstance(load(file, Whole), Whole)
