from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.errors import SourceMalformed, SourceUnavailable
from exporter.sources import xml_reader


class Seen:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        self.told.append((tag, attributes))

    def end(self, tag: str) -> None:
        """An element ends."""
        self.told.append(tag)


def visit(path: Path, content: bytes) -> list[object]:
    """What a visitor is told of a file with this content."""
    (path / "a.xml").write_bytes(content)
    seen = Seen()
    xml_reader.visit(path / "a.xml", seen)
    return seen.told


def test_visit_tells_elements_in_order(tmp_path: Path) -> None:
    """Names without prefixes, attributes with their references resolved, no text."""
    told = visit(tmp_path, b'<?xml version="1.0"?><x:a b="&lt;&#233;"><c/>text</x:a>')
    assert told == [("a", {"b": "<\xe9"}), ("c", {}), "c", "a"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1", "iso-8859-15", "windows-1252"])
def test_visit_reads_the_usual_encodings(tmp_path: Path, encoding: str) -> None:
    """What XML writers on any system write."""
    text = f'<?xml version="1.0" encoding="{encoding}"?><a b="\xe9"/>'
    assert visit(tmp_path, text.encode(encoding)) == [("a", {"b": "\xe9"}), "a"]


def test_visit_passes_over_a_named_dtd(tmp_path: Path) -> None:
    """Cobertura's reports name their DTD; it is not fetched."""
    doctype = b'<!DOCTYPE coverage SYSTEM "http://127.0.0.1:1/coverage-04.dtd">'
    assert visit(tmp_path, doctype + b"<coverage/>") == [("coverage", {}), "coverage"]


BOMB = b'<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><a>&c;</a>'


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (BOMB, "has a DTD of its own for 'a'"),
        (b'<!DOCTYPE a [<!ELEMENT a ANY>]><a b="1"/>', "has a DTD of its own"),
        (b"<a>&undefined;</a>", "undefined entity"),
        (b"<a>" * 101, "nested deeper than 100"),
        (b'<a b="' + b"x" * 1_200_000 + b'"/>', "a tag is longer than"),
        (b"<a" + b" " * 1_200_000 + b"/>", "a tag is longer than"),
        (b"<a>\n<b></a>", ":2: mismatched tag"),
        (b"<a>", "no element found"),
        (b"", "no element found"),
        (b"<a>\x00</a>", "not well-formed"),
        (b'<?xml version="1.0" encoding="utf-7"?><a/>', "unknown encoding 'utf-7' (known: utf-8, utf-16"),
        (b'<?xml version="1.0" encoding="rot13"?><a/>', "unknown encoding 'rot13'"),
        (b'<?xml version="1.0" encoding="no-such"?><a/>', "unknown encoding 'no-such'"),
        (b'<?xml version="1.0" encoding="utf-16"?><a/>', "encoding specified in XML declaration is incorrect"),
        (b'<?xml version="1.0" encoding="utf-8"?><a b="\xff"/>', "not well-formed"),
    ],
)
def test_visit_refuses_with_file_and_line(tmp_path: Path, content: bytes, problem: str) -> None:
    """What is broken, or small and grows, ends in one message."""
    with pytest.raises(SourceMalformed, match=r"a\.xml:\d+: ") as caught:
        visit(tmp_path, content)
    assert problem in str(caught.value)


def test_visit_long_text_is_no_long_tag(tmp_path: Path) -> None:
    """Text between tags, such as captured output, may be as long as the file."""
    assert visit(tmp_path, b"<a><![CDATA[" + b"x" * 1_500_000 + b"]]>" + b"y" * 1_500_000 + b"</a>")[0] == ("a", {})


def test_visit_larger_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is an end to what is read."""
    monkeypatch.setattr(xml_reader, "MAX_BYTES", 10)
    with pytest.raises(SourceMalformed, match="is larger than 10 bytes"):
        visit(tmp_path, b"<a>          </a>")


def test_visit_missing_file_is_unavailable(tmp_path: Path) -> None:
    """A file that is not there is not malformed."""
    with pytest.raises(SourceUnavailable):
        xml_reader.visit(tmp_path / "none.xml", Seen())


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=100), st.text("<>/a=\"'&;![CDAT] \n", max_size=60).map(str.encode)))
def test_visit_of_anything_ends_in_elements_or_a_complaint(tmp_path: Path, content: bytes) -> None:
    """No input does anything else: what was begun is ended, or the file is refused."""
    try:
        told = visit(tmp_path, content)
    except SourceMalformed:
        return
    assert sum(isinstance(item, tuple) for item in told) * 2 == len(told)
