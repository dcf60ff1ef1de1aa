import html
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alert_handler.errors import DeliveryUnavailable
from alert_handler.model import Message, Severity
from alert_handler.notifiers import slack
from alert_handler.notifiers.slack import Slack, SlackConfig, blocks_of, harmless, text_of
from chassis import config_file
from tests.alert_handler.peers import http_peer

MESSAGE = Message(
    key="k",
    kind="action",
    severity=Severity.CRITICAL,
    title="Disk <full> & busy",
    text="12 files @here",
    at=1.0,
    url="https://night.example/incidents/7?a=1&b=2",
    facts={"service": "shop"},
)


def test_post_holds_text_and_blocks(tmp_path: Path) -> None:
    """Slack gets blocks; a server that knows only text gets everything in it."""
    secret = tmp_path / "url"
    with http_peer() as peer:
        secret.write_text(f"http://{peer.address}/services/T0/B0/x", encoding="ascii")
        secret.chmod(0o600)
        Slack(SlackConfig(url_file=str(secret))).deliver(MESSAGE)
        document = json.loads(peer.got[0].body)
    assert document["text"].splitlines() == [
        "🔴 Disk &lt;full&gt; &amp; busy",
        "12 files @\u2060here",
        "service: shop",
        "<https://night.example/incidents/7?a=1&amp;b=2|Open in Nightshift>",
    ]
    assert [block["type"] for block in document["blocks"]] == ["header", "section", "section", "section"]
    secret.unlink()
    with pytest.raises(DeliveryUnavailable):
        Slack(SlackConfig(url="http://127.0.0.1:9/")).deliver(MESSAGE)


def test_address_that_is_gone_delays_the_delivery(tmp_path: Path) -> None:
    """A webhook file that cannot be read now is no reason to give up."""
    secret = tmp_path / "url"
    secret.write_text("https://hooks.example/services/x", encoding="ascii")
    secret.chmod(0o600)
    channel = Slack(SlackConfig(url_file=str(secret)))
    secret.unlink()
    with pytest.raises(DeliveryUnavailable, match="cannot be read"):
        channel.deliver(MESSAGE)


def test_empty_parts_are_left_out() -> None:
    """Slack refuses empty blocks: no text, no facts, no link means none of them."""
    assert [block["type"] for block in blocks_of(MESSAGE.evolve(text=" \n", facts={}, url=""))] == ["header"]


@pytest.mark.parametrize("url", ["javascript:alert(1)", "https://a|b", "https://a>b", "/relative", "https://a\nb"])
def test_odd_address_becomes_no_link(url: str) -> None:
    """Only a plain http(s) address is linked."""
    assert "Open in Nightshift" not in text_of(MESSAGE.evolve(url=url))


def test_config_needs_an_address() -> None:
    """A channel without an address is a mistake."""
    with pytest.raises(config_file.ConfigInvalid, match="give either url or url_file"):
        config_file.decode({}, SlackConfig, "notifiers.slack")


def texts(document: Any) -> list[str]:  # noqa: ANN401 -- JSON
    """Every text in a JSON document."""
    if isinstance(document, dict):
        return [text for key, value in document.items() if key != "type" for text in texts(value)]
    if isinstance(document, list):
        return [text for value in document for text in texts(value)]
    return [document] if isinstance(document, str) else []


TEXT = st.one_of(
    st.text(max_size=60), st.sampled_from(["<!channel>", "<@U1>", "@here", "&lt;", "&" * 4000, "x" * 9000])
)


@settings(deadline=None, max_examples=100)
@given(TEXT, TEXT, st.dictionaries(TEXT, TEXT, max_size=12))
def test_no_text_makes_a_mention_or_breaks_a_limit(title: str, text: str, facts: dict[str, str]) -> None:
    """No control sequence, no mention, no half escape, nothing longer than Slack takes."""
    message = MESSAGE.evolve(title=title, text=text, facts=facts, url="")
    blocks = blocks_of(message)
    for shown in [text_of(message), *texts(blocks)]:
        assert not set("<>") & set(shown)
        assert not re.search(r"&(?!(?:amp|lt|gt);)", shown)
        assert not re.search(r"@\w", shown)
        assert len(shown) <= slack.MAX_TEXT
    assert len(blocks[0]["text"]["text"]) <= slack.MAX_HEADER  # type: ignore[index]
    assert all(len(block.get("fields", [])) <= slack.MAX_FIELDS for block in blocks)  # type: ignore[arg-type]


@settings(deadline=None, max_examples=100)
@given(st.text(alphabet="ab<>& \n", max_size=50))
def test_harmless_text_reads_as_it_was(text: str) -> None:
    """Escaping loses nothing."""
    assert html.unescape(harmless(text, 1000)) == text
