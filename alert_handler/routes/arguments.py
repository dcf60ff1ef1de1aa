"""Query parameters that the pages and the API share. What cannot be read counts as not given."""

from flask import request

from alert_handler.model import Labels

MAX_LIMIT = 1000
#: Above every id.
NEWEST = 2**62
#: In a route: ids that a store can hold; a larger one is no page.
ID = "int(max=4611686018427387904)"


def state() -> str:
    """`state`: "open", "closed", or "" for both."""
    given = request.args.get("state", "")
    return given if given in ("open", "closed") else ""


def before() -> int:
    """`before`: only ids below it."""
    return _number("before", NEWEST)


def limit(default: int = 100) -> int:
    """`limit`: how many at most, within 1 and `MAX_LIMIT`."""
    return max(1, min(_number("limit", default), MAX_LIMIT))


def older(shown: list[dict[str, object]], most: int) -> Labels:
    """The parameters of the page after *shown*, of *most* a page; none when this is the last one."""
    if len(shown) < most:
        return {}
    kept = {"state": state(), "before": str(shown[-1]["id"])}
    return {name: value for name, value in kept.items() if value}


def _number(name: str, default: int) -> int:
    text = request.args.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 19 else default
