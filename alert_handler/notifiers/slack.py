"""Notifier `slack`: an incoming webhook of Slack, or of a chat server that takes the same format.

Text from alerts is data: `&`, `<` and `>` are escaped, so that no `<!channel>`, link or user mention can be made, and
an `@` is kept from addressing anybody where plain `@channel` would. Other servers show `text` only, so the whole
message is in it; Slack shows the blocks.
"""

import re
from typing import ClassVar

import msgspec

from alert_handler.channel_http import HttpChannel, HttpOptions, address
from alert_handler.errors import DeliveryUnavailable
from alert_handler.message_json import idempotency_key
from alert_handler.model import Message, Severity
from chassis.plugins import plugin
from chassis.redaction import well_formed

#: Slack's limits: characters of a header, a section, a field of it; fields of a section; advised length of `text`.
MAX_HEADER = 150
MAX_SECTION = 3000
MAX_FIELD = 2000
MAX_FIELDS = 10
MAX_TEXT = 4000

_MARKS = {Severity.CRITICAL: "🔴", Severity.HIGH: "🟠", Severity.MEDIUM: "🟡", Severity.LOW: "🔵"}
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_LINK = re.compile(r"https?://[^\s<>|\"]{1,2000}")
_MENTION = re.compile(r"@(?=\w)")
#: Joins nothing and shows nothing, but an `@` before it addresses nobody.
_WORD_JOINER = "\u2060"
_CUT = "…"

Block = dict[str, object]


class SlackConfig(HttpOptions, frozen=True, kw_only=True):
    """The webhook's address, which is a secret: better in `url_file`."""

    url: str = ""
    url_file: str = ""

    def __post_init__(self) -> None:
        """Refuse an address that cannot be used (ValueError)."""
        super().__post_init__()
        address(self.url, self.url_file)


@plugin("notifier", "slack")
class Slack:
    """Posts each message with its facts and a link to the incident."""

    Config: ClassVar[type[msgspec.Struct]] = SlackConfig

    def __init__(self, config: SlackConfig) -> None:
        self._config = config
        self._channel = HttpChannel(config)

    def deliver(self, message: Message) -> None:
        """POST *message*; the address is read anew, so that it can be rotated.

        Raises:
            DeliveryUnavailable: try again later; also when the address cannot be read now.
            DeliveryRejected: never try again (no such webhook, archived channel).
        """
        try:
            url = address(self._config.url, self._config.url_file)
        except ValueError as error:
            raise DeliveryUnavailable(str(error)) from error
        body = msgspec.json.encode({"text": text_of(message), "blocks": blocks_of(message)})
        self._channel.post(url, body, {"Idempotency-Key": idempotency_key(message)})


def text_of(message: Message) -> str:
    """The whole message as one text, for notifications and for servers that know no blocks."""
    facts = "\n".join(f"{name}: {value}" for name, value in message.facts.items())
    text = harmless("\n".join(filter(None, [_heading(message), message.text, facts])), MAX_TEXT)
    return f"{text}\n{_link(message)}".rstrip()


def blocks_of(message: Message) -> list[Block]:
    """Heading, text, facts, and a link to the incident."""
    blocks: list[Block] = [{"type": "header", "text": _plain(_heading(message), MAX_HEADER)}]
    if message.text.strip():
        blocks.append({"type": "section", "text": _plain(message.text, MAX_SECTION)})
    if message.facts:
        facts = [f"{name}: {value}" for name, value in list(message.facts.items())[:MAX_FIELDS]]
        blocks.append({"type": "section", "fields": [_plain(fact, MAX_FIELD) for fact in facts]})
    if link := _link(message):
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": link}})
    return blocks


def harmless(text: str, limit: int) -> str:
    """*text* escaped and without mentions, cut to *limit* characters, never within an escape."""
    pieces: list[str] = []
    room = limit - len(_CUT)
    for character in _MENTION.sub(f"@{_WORD_JOINER}", well_formed(text).replace("\0", "")):
        piece = _ESCAPES.get(character, character)
        room -= len(piece)
        if room < 0:
            return "".join(pieces) + _CUT
        pieces.append(piece)
    return "".join(pieces)


def _heading(message: Message) -> str:
    return f"{_MARKS[message.severity]} {message.title}"


def _plain(text: str, limit: int) -> Block:
    """Text that is shown as it is: no formatting, no links, no emoji codes."""
    return {"type": "plain_text", "text": harmless(text, limit), "emoji": False}


def _link(message: Message) -> str:
    """A link to the incident, if its address is one."""
    return f"<{message.url.replace('&', '&amp;')}|Open in Nightshift>" if _LINK.fullmatch(message.url) else ""
