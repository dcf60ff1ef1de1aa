"""Sets Jinja up for hostile text: whatever a template prints is made visible and escaped, and only web links link.

Every printed value goes through `finalize`: control, bidirectional and line-separating characters are shown as
escapes and long values are cut. Autoescaping does the rest. A value that a template lacks is an error, not a blank.

Templates are one file per section: compiling a long one takes megabytes that the process never gives back (measured:
2.1 MB for four long templates, 0.3 MB for the same in short ones).
"""

import re

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from alert_handler.presentation import wording
from alert_handler.presentation.sparkline import sparkline
from chassis import redaction
from chassis.logs import clean

#: Bytes of an address are plain: what is not printable ASCII comes percent-encoded from honest senders.
_WEB_LINK = re.compile(r"https?://[A-Za-z0-9\[][!-~]*")
_NEVER_IN_LINKS = frozenset("\"'<>\\^`{|}")
MAX_LINK = 2_048
#: Characters of an attempt's output or a sample that a page shows.
MAX_BLOCK = 20_000
_TIME = Markup('<time datetime="{iso}" title="{title}">{text}</time>')


def install(environment: Environment) -> None:
    """Give *environment* the filters of the templates, and make it strict."""
    environment.finalize = shown
    environment.undefined = StrictUndefined
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.filters |= {
        "age": wording.age,
        "block": block,
        "brief": brief,
        "duration": wording.duration,
        "figure": wording.figure,
        "moment": moment,
        "number": wording.number,
        "percent": wording.percent,
        "since": since,
        "tone": tone,
        "web_link": web_link,
    }
    environment.globals |= {
        "sparkline": sparkline,
        "attempt_words": wording.ATTEMPT_WORDS,
        "mode_words": wording.MODE_WORDS,
        "verdict_words": wording.VERDICT_WORDS,
    }


def shown(value: object) -> object:
    """What a template prints for *value*: nothing for None, text with nothing invisible in it."""
    if value is None:
        return ""
    if isinstance(value, str) and not isinstance(value, Markup):
        return clean(value)
    return value


def block(text: str) -> Markup:
    """*text* for a `pre`: lines kept, everything else visible, cut at `MAX_BLOCK`."""
    cut = text if len(text) <= MAX_BLOCK else f"{text[:MAX_BLOCK]}\n... ({len(text)} characters)"
    return escape(redaction.readable(cut))


def brief(text: str, most: int = 200) -> str:
    """*text* cut to *most* characters for a list."""
    return text if len(text) <= most else f"{text[:most]}..."


def web_link(url: str) -> str:
    """*url* when it is a web address that may stand in a link, else ""; never javascript:, data: or file:."""
    fits = len(url) <= MAX_LINK and _WEB_LINK.fullmatch(url) is not None and not _NEVER_IN_LINKS & set(url)
    return url if fits else ""


def since(at: float | None, now: float) -> Markup:
    """When something was, as its age; the exact time is in the element."""
    if not at:
        return escape("never")
    return _TIME.format(iso=wording.iso(at), title=wording.readable(at), text=wording.age(now - at))


def moment(at: float | None, now: float) -> Markup:
    """When something was, as time of day, with the date unless it is less than 12 hours away."""
    if not at:
        return escape("never")
    text = wording.readable(at)
    near = text and abs(now - at) < 12 * 3600
    return _TIME.format(iso=wording.iso(at), title=text, text=text[11:19] if near else text)


def tone(word: str) -> str:
    """The class that colours *word*."""
    return f"tone-{wording.TONES.get(word, 'plain')}"
