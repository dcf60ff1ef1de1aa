"""What people read instead of codes: how an incident stands, how long, how long ago, how much."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

from alert_handler.model import Case, DecisionVerdict

Standing = dict[str, str]

VERDICT_WORDS = {"fixed": "Fixed", "not_fixed": "Not fixed", "inconclusive": "Cannot tell"}
ATTEMPT_WORDS = {
    "claimed": "About to start",
    "started": "Running",
    "succeeded": "Done",
    "failed": "Failed",
    "timed_out": "Out of time",
    "unknown": "Outcome unknown",
}
MODE_WORDS = {
    "observe": "watches, changes nothing",
    "recommend": "says what it would do",
    "act": "repairs what it may",
}
_DECISION_WORDS = {
    DecisionVerdict.RECOMMEND: "Recommends",
    DecisionVerdict.OBSERVE: "Left to people",
    DecisionVerdict.HOLD: "Waiting",
    DecisionVerdict.REFUSE: "Nothing done",
    DecisionVerdict.ESCALATE: "Person needed",
}
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_OVER = {"word": "Resolved", "text": "before it was looked at"}
#: Parts of a decision's text that the word before it, or the time beside it, says already.
_SAID_BY_THE_WORD = re.compile(r"^recommended: |: left to people$|: waiting(?: \d+ s)?$|: a person must look$")
#: The colour that goes with a word; a word that is not here stays without.
TONES = {
    "CRITICAL": "critical",
    "DEGRADED": "degraded",
    "WARNING": "warning",
    "HEALTHY": "healthy",
    "critical": "critical",
    "high": "degraded",
    "medium": "warning",
    "low": "healthy",
    "Fixed": "healthy",
    "Not fixed": "critical",
    "Cannot tell": "warning",
    "Person needed": "critical",
    "Recommends": "warning",
    "Failed": "critical",
    "Out of time": "critical",
    "Outcome unknown": "warning",
    "Waiting": "warning",
    "fixed": "healthy",
    "not_fixed": "critical",
    "inconclusive": "warning",
    "rejected": "critical",
    "pending": "warning",
}


def standing(case: Case) -> Standing:
    """What Nightshift makes of an incident now: a word and why."""
    decision, verdict = case.decision, case.verdict
    if verdict is not None and (decision is None or decision.at <= verdict.at):
        return {"word": VERDICT_WORDS[verdict.value], "text": verdict.text}
    if decision is None:
        return _OVER if case.incident.state == "closed" else {"word": "New", "text": "being looked at"}
    if decision.verdict is DecisionVerdict.ACT:
        return _acting(case)
    text = _SAID_BY_THE_WORD.sub("", decision.text)
    word = "Resolved" if case.incident.state == "closed" else _DECISION_WORDS[decision.verdict]
    return {"word": word, "text": text}


def _acting(case: Case) -> Standing:
    """The word for an incident that was decided to be acted on and has no verdict yet."""
    attempt, plan = case.attempt, case.decision.plan if case.decision else None
    if case.stage == "act" or attempt is None:
        return {"word": "Acting", "text": plan.summary if plan else ""}
    done = attempt.outcome.summary if attempt.outcome else attempt.state
    text = f"{attempt.remediation} on {attempt.target}: {done}"
    return {"word": "Verifying" if case.stage in ("verify", "notify") else "Acted", "text": text}


def duration(seconds: float | None) -> str:
    """`40 ms`, `1.2 s`, `12 s`, `4 min 12 s`, `3 h 5 min`, `2 d 4 h`; "" for None."""
    if seconds is None:
        return ""
    if seconds < 0:
        return f"-{duration(-seconds)}"
    whole = round(seconds)
    if whole < 60:
        return _short(seconds)
    at = next(n for n, (size, _) in enumerate(_UNITS) if whole >= size)
    (size, unit), (next_size, next_unit) = _UNITS[at : at + 2]
    count, rest = divmod(whole, size)
    rest //= next_size
    return f"{count} {unit} {rest} {next_unit}" if rest else f"{count} {unit}"


def _short(seconds: float) -> str:
    """Less than a minute, as exact as it is worth."""
    if 0 < seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if 0 < seconds < 9.95 else f"{seconds:.0f} s"


def age(seconds: float) -> str:
    """`just now`, `12 s ago`, `4 min ago`, `3 h 5 min ago`; the future is `in 12 s`."""
    if -1 < seconds < 1:
        return "just now"
    if seconds < 0:
        return f"in {duration(-seconds)}"
    coarse = seconds // 60 * 60 if 60 <= seconds < 3600 else float(int(seconds))
    return f"{duration(coarse) if coarse >= 10 else f'{coarse:.0f} s'} ago"


def iso(seconds: float) -> str:
    """`2026-11-21T03:01:20Z`; "" for a time that no calendar has."""
    return _format(seconds, lambda at: at.strftime("%Y-%m-%dT%H:%M:%SZ"))


def readable(seconds: float) -> str:
    """`2026-11-21 03:01:20 UTC`; "" for a time that no calendar has."""
    return _format(seconds, lambda at: at.strftime("%Y-%m-%d %H:%M:%S UTC"))


def percent(ratio: float) -> str:
    """`93.5 %` near the ends of the scale, where tenths matter, else `42 %`."""
    return f"{ratio:.1%}".replace("%", " %") if ratio >= 0.9 else f"{ratio:.0%}".replace("%", " %")


def figure(value: float) -> str:
    """A number as people read it: `1 234 567`, `0.873`, `12.5`."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}".replace(",", "\N{NO-BREAK SPACE}")
    return f"{value:.4g}"


def number(count: int, thing: str, things: str = "") -> str:
    """`1 message`, `2 messages`, `2 tries`."""
    return f"{count} {thing if count == 1 else things or thing + 's'}"


def _format(seconds: float, show: Callable[[datetime], str]) -> str:
    try:
        return show(datetime.fromtimestamp(seconds, UTC))
    except (ValueError, OverflowError, OSError):
        return ""
