import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from html import escape
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.walks.message import Reply, Request, StepFailed
from exporter.walks.secret_words import SecretWords, reply_text, request_text

SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "url": lambda word: quote(word, safe=""),
    "path": quote,
    "form": quote_plus,
    "json": lambda word: json.dumps(word)[1:-1],
    "html": escape,
    "base64": lambda word: b64encode(word.encode()).decode(),
    "base64 for URLs": lambda word: urlsafe_b64encode(word.encode()).decode().rstrip("="),
    "hexadecimal": lambda word: word.encode().hex(),
    "url twice": lambda word: quote(quote(word, safe=""), safe=""),
    "json of Go": lambda word: re.sub("[<>&]", lambda hit: f"\\u{ord(hit[0]):04x}", json.dumps(word)[1:-1]),
    "json in capitals": lambda word: re.sub(
        r"\\u[0-9a-f]{4}", lambda hit: f"\\u{hit[0][2:].upper()}", json.dumps(word)[1:-1]
    ),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@settings(deadline=None, max_examples=100)
@given(word=st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=6, max_size=30))
def test_hide_knows_every_spelling(spelling: str, word: str) -> None:
    """A word does not show in any spelling in which servers give words back."""
    words = SecretWords()
    words.add(word)
    spelled = SPELLINGS[spelling](word)
    assert words.hide(f"({spelled})", 1000) == "(<redacted>)"


@pytest.mark.parametrize("before", [0, 90, 8180, 8191, 200_000])
def test_hide_leaves_no_half_of_a_word(before: int) -> None:
    """A word across the edge of what is looked at or kept does not show its beginning."""
    words = SecretWords()
    words.add("abcdefghij")
    assert "abc" not in words.hide("x" * before + "abcdefghij" + "y" * 50, 100)


def test_hide_looks_secret_without_being_known() -> None:
    """What is obviously a credential is hidden though nobody has named it, and control characters are shown."""
    shown = SecretWords().hide("Set-Cookie: sid=1\nAuthorization: Bearer x\npassword=abc\n\x1b[31m", 500)
    assert shown == "Set-Cookie: <redacted>\nAuthorization: <redacted>\npassword=<redacted>\n\\x1b[31m"


def test_add_request_hides_its_credentials() -> None:
    """What is sent as authentication is hidden wherever it comes back."""
    words = SecretWords()
    words.add_request(Request("GET", "http://h/", (("AUTHORIZATION", "Digest abcdef"),)))
    assert words.hide("you sent abcdef", 100) == "you sent <redacted>"


def test_add_cookies_hides_sessions_not_flags() -> None:
    """A short cookie is a word like any other."""
    words = SecretWords()
    words.add_cookies(["0123456789", "true"])
    assert words.hide("0123456789 is true", 100) == "<redacted> is true"


@pytest.mark.parametrize(("content", "mode"), [("", 0o600), ("abc", 0o600), ("long enough", 0o644)])
def test_read_refuses_what_cannot_be_kept_secret(tmp_path: Path, content: str, mode: int) -> None:
    """Empty, too short to be hidden, open to everybody: told with the file, without its content."""
    path = tmp_path / "secret"
    path.write_text(content)
    path.chmod(mode)
    with pytest.raises(StepFailed, match=str(path)) as caught:
        SecretWords().read({"p": str(path)})
    assert caught.value.reason == "variable"
    assert not content or content not in caught.value.detail.replace(str(path), "")


def test_texts_show_the_whole_exchange() -> None:
    """Request and answer as people read them; no answer is no text."""
    assert request_text(Request("GET", "http://h/", (("A", "b"),), b"c")) == "GET http://h/\nA: b\n\nc"
    assert reply_text(Reply("http://h/", 200, (("A", "b"),), b"c")) == "HTTP 200\nA: b\n\nc"
    assert reply_text(None) == ""
