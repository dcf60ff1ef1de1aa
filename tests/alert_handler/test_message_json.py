import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alert_handler.message_json import body_of, idempotency_key
from alert_handler.model import Message, Severity

MESSAGE = Message(key="k", kind="action", severity=Severity.LOW, title="t", text="x", at=1.0)


@settings(deadline=None, max_examples=50)
@given(st.text(), st.text(), st.dictionaries(st.text(), st.text(), max_size=3))
def test_body_is_valid_json_for_any_text(title: str, key: str, facts: dict[str, str]) -> None:
    """Whatever text, also halves of characters: UTF-8 JSON with every field."""
    document = json.loads(body_of(MESSAGE.evolve(title=title, key=key, text=title, url=title, facts=facts)).decode())
    assert set(document) == set(json.loads(body_of(MESSAGE)))
    assert document["title"] == title.encode("utf-8", "replace").decode()


@pytest.mark.parametrize("key", ["incident-7-action-1", "a" * 255])
def test_key_that_fits_a_header_is_sent_as_it_is(key: str) -> None:
    """Receivers see the key that the log shows."""
    assert idempotency_key(MESSAGE.evolve(key=key)) == key


@pytest.mark.parametrize("key", ["", "a b", "a\nb", "ä", "a" * 256, "\ud800"])
def test_key_that_fits_no_header_is_hashed(key: str) -> None:
    """The same message still has the same key."""
    sent = idempotency_key(MESSAGE.evolve(key=key))
    assert (len(sent), sent) == (64, idempotency_key(MESSAGE.evolve(key=key)))
