import shutil
import subprocess
import time
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.analysis import bounded_regex
from exporter.analysis.bounded_regex import TEXT_LENGTH, compile_bounded, searchable


@pytest.mark.parametrize(
    "pattern",
    [
        "a.*b",
        "a.{0,80}b.{0,80}c",
        r"\s+or\s*=\s*\d++",
        "(?:a|b)+",
        r"(?:\d{1,3}\.){3}\d",
        "x.*|y.*|z.*",
        "(?:ab|ba)++",
        "(?>a.*b)c",
        "",
    ],
)
def test_compile_takes_what_is_bounded(pattern: str) -> None:
    """Patterns that people write about log lines are taken."""
    assert compile_bounded(pattern).pattern == pattern


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+",
        "(?:a|aa)+",
        ".*.*=",
        "(a?){50}",
        r"(\w+\s?)*$",
        "(?=a*b*)c",
        "(a{1,20}){1,20}",
        "(?>(a+)+$)",
        "(?:(a+)+$|b)++",
    ],
)
def test_compile_refuses_what_could_take_long(pattern: str) -> None:
    """Repetitions that multiply are refused, with what to write instead."""
    with pytest.raises(ValueError, match=r"could take long.*\.\{0,80\}"):
        compile_bounded(pattern)


@pytest.mark.parametrize("pattern", ["(", "[a", "a{3,1}", "*", "(" * 5000, "x" * 5000])
def test_compile_refuses_what_is_no_pattern(pattern: str) -> None:
    """A mistake is a ValueError, whatever it makes of Python's own parser."""
    with pytest.raises(ValueError, match=r"no regular expression|longer than"):
        compile_bounded(pattern)


EVERY_ELEMENT = (
    r"^\b(?:a|[^b]|.)(?P<n>c)(?P=n)(?(n)d|e)(?=f)(?!g)(?<=h)(?<!i)(?i:j)(?>k?)l++\sm{2}(?s:n)[^o]p??(?a:\w)(?!)$"
)


def test_compile_knows_every_element() -> None:
    """No element of today's expressions is taken for one that a later Python has added."""
    assert compile_bounded(EVERY_ELEMENT).groups == 1


def test_compile_refuses_what_a_later_python_adds(monkeypatch: pytest.MonkeyPatch) -> None:
    """An element that nobody here knows could take any time."""
    parser = SimpleNamespace(parse=lambda *_: [("NEW_REPEAT", (0, 1, []))])
    monkeypatch.setattr(bounded_regex, "_parser", parser)
    with pytest.raises(ValueError, match="could take long"):
        compile_bounded("a")


def test_compile_works_where_the_parser_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python without the private parser takes patterns as they are, and still refuses what is none."""
    monkeypatch.setattr(bounded_regex, "_parser", None)
    assert compile_bounded("a.{0,80}b").pattern == "a.{0,80}b"
    with pytest.raises(ValueError, match="no regular expression"):
        compile_bounded("(")


@pytest.mark.parametrize("python", ["python3.12", "python3.13", "python3.14"])
def test_compile_judges_alike_in_every_python(python: str) -> None:
    """A rule file that one version takes, another takes too."""
    interpreter = shutil.which(python)
    if interpreter is None or subprocess.run([interpreter, "-V"], capture_output=True, check=False).returncode:
        pytest.skip(f"no {python} here")
    code = (
        "import runpy, sys; judge = runpy.run_path(sys.argv[1])['compile_bounded']; judge(sys.argv[2])\n"
        "try: judge(sys.argv[3])\nexcept ValueError as error: print('could take long' in str(error))"
    )
    arguments = (bounded_regex.__file__, EVERY_ELEMENT, "(a+)+")
    done = subprocess.run(
        [interpreter, "-W", "error", "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("True\n", "")


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.sampled_from(["a", ".", "a*", "(?:a|b)", "(?:a|aa)", ".{0,40}", "a?", "(a+)", "+", "*", "{2,9}", "|"]))
)
def test_compile_bounds_the_time_of_a_search(parts: list[str]) -> None:
    """No pattern that is taken needs seconds for the text that is worst for it."""
    try:
        compiled = compile_bounded("".join(parts))
    except ValueError:
        return
    started = time.process_time()
    compiled.search("a" * (TEXT_LENGTH - 1) + "!")
    assert time.process_time() - started < 5


@pytest.mark.parametrize("blank", [chr(code) for code in range(0x3001) if chr(code).isspace()])
def test_searchable_knows_every_blank(blank: str) -> None:
    """Whatever is white space to `re` becomes a blank."""
    assert searchable(f"a{blank}b") == "a b" == searchable(f"a {blank}b")


def test_searchable_is_short_and_has_single_blanks() -> None:
    """White space is one blank, and the text is cut."""
    assert searchable("a \t\n b") == "a b"
    assert len(searchable("x" * 10_000)) == TEXT_LENGTH
