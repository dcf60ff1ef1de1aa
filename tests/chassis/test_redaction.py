import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.redaction import MIN_SECRET, readable, redact, well_formed


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("password=hunter2 next", "password=<redacted> next"),
        ('{"api_key": "abc def", "a": 1}', '{"api_key": <redacted>, "a": 1}'),
        ("DB_PASSWORD='it is long' x", "DB_PASSWORD=<redacted> x"),
        ("Authorization: Bearer abc.def\nok", "Authorization: <redacted>\nok"),
        ("Set-Cookie: session=1; a=b\nok", "Set-Cookie: <redacted>\nok"),
        ("curl --token s3cr3t host", "curl --token <redacted> host"),
        ("sent bearer abcdefgh123", "sent bearer <redacted>"),
        ("postgresql://me:pw@db/x", "postgresql://me:<redacted>@db/x"),
        ("ghp_0123456789abcdef", "<redacted>"),
        ("https://hooks.slack.com/services/T0/B0/xyz", "https://hooks.slack.com/<redacted>"),
        ("a -----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY----- b", "a <redacted> b"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\ntorn", "<redacted>"),
        ("no secret here: 3 tokens left", "no secret here: 3 tokens left"),
    ],
)
def test_redact_removes_what_is_obviously_a_secret(text: str, shown: str) -> None:
    """The usual ways in which programs print a secret; what surrounds it stays."""
    assert redact(text) == shown


def test_redact_removes_every_line_of_a_known_secret() -> None:
    """A key of several lines is looked for line by line; very short lines are not."""
    assert redact("x AAAABBBB y\nCCCCDDDD z ab", ["AAAABBBB\nCCCCDDDD\nab"]) == "x <redacted> y\n<redacted> z ab"


def test_redact_removes_the_longer_of_two_secrets_first() -> None:
    """A secret that holds another one leaves no rest."""
    assert redact("abcdefgh", ["abcd", "abcdefgh"]) == "<redacted>"


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=60), st.text(min_size=MIN_SECRET, max_size=20, alphabet="0123456789#"), st.text(max_size=60))
def test_redact_leaves_no_known_secret(before: str, secret: str, after: str) -> None:
    """A known secret is gone from any text."""
    assert secret not in redact(before + secret + after, [secret])


@pytest.mark.parametrize("unit", ["password ", "password=", "authorization", " ", "://a:", "--token ", "-----BEGIN "])
def test_redact_long_hostile_text_is_linear(unit: str) -> None:
    """No text makes a pattern run away: doubling the text must not square the work (a runaway would never end)."""
    assert redact(unit * 20_000)


def test_readable_keeps_lines_and_escapes_the_rest() -> None:
    """Line ends stay, terminal and direction controls become visible."""
    assert readable("a\r\nb\tc\x1b[0m\u202e") == "a\nb   c\\x1b[0m\\u202e"


def test_well_formed_replaces_lone_surrogates() -> None:
    """Half a character cannot be written as UTF-8."""
    assert well_formed("a\ud800b📱") == "a?b📱"
