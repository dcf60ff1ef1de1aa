"""The pages of journeys and API checks: how each stands and its last failures, for people and as JSON."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote

import msgspec

from exporter.answers import Answer, html_answer, json_answer
from exporter.walks.failures import Failure, StepResult

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title} - Nightshift exporter</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}}
pre{{overflow:auto;border:1px solid GrayText;padding:.5rem;white-space:pre-wrap;overflow-wrap:anywhere}}
table{{border-collapse:collapse}}td,th{{text-align:left;padding:.1rem 1rem .1rem 0}}a{{color:LinkText}}
h2 small{{font-weight:normal}}</style></head>
<body><h1>{title}</h1><p><a href=".">All pages</a>, <a href="?format=json">the same as JSON</a></p>
{entries}</body></html>
"""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """How a journey or an endpoint stands.

    Attributes:
        name: what it is called.
        state: `ok`, `failing` or `not run yet`.
        last_run: when the last run ended, ISO 8601 in UTC; empty before the first.
        seconds: how long that took.
        runs: how many there were since the start.
        failed_runs: how many of them failed.
        steps: of the last run.
        values: numbers that the last run captured.
        failures: the last ones, newest first.
        screenshot: a link to what a browser saw last before it failed; empty where there is none.
    """

    name: str
    state: str
    last_run: str
    seconds: float
    runs: int
    failed_runs: int
    steps: Sequence[StepResult]
    values: Mapping[str, float]
    failures: Sequence[Failure]
    screenshot: str = ""


def query_of(environ: "WSGIEnvironment") -> dict[str, str]:
    """The query of a request; of what is given twice, the first; a crowd of fields is no query of ours."""
    try:
        found = parse_qs(environ.get("QUERY_STRING", ""), max_num_fields=20, errors="replace")
    except ValueError:
        return {}
    return {name: values[0] for name, values in found.items()}


def overview(title: str, entries: Sequence[Entry], environ: "WSGIEnvironment") -> Answer:
    """The page, or the same as JSON where the query or the Accept header asks for it."""
    accepts_json = environ.get("HTTP_ACCEPT", "").startswith("application/json")
    if query_of(environ).get("format") == "json" or accepts_json:
        return json_answer(entries)
    shown = "\n".join(map(_entry, entries)) or "<p>None is configured.</p>"
    return html_answer(_PAGE.format(title=escape(title), entries=shown))


def _entry(entry: Entry) -> str:
    steps = "".join(map(_step, entry.steps))
    values = "".join(f"<li>{escape(name)}: {value:g}</li>" for name, value in entry.values.items())
    view = f'<p><a href="{escape(entry.screenshot)}">What the browser saw</a></p>' if entry.screenshot else ""
    last = f"last run {escape(entry.last_run)}, {entry.seconds:.3f} s; " if entry.last_run else ""
    return (
        f'<section id="{escape(quote(entry.name))}"><h2>{escape(entry.name)} <small>{escape(entry.state)}</small></h2>'
        f"<p>{last}{entry.runs} runs, {entry.failed_runs} failed</p>"
        f"<table>{steps}</table><ul>{values}</ul>{view}{''.join(map(_failure, entry.failures))}</section>"
    )


def _step(step: StepResult) -> str:
    state = "ok" if step.success else "failed"
    return f"<tr><td>{escape(step.name)}</td><td>{state}</td><td>{step.seconds:.3f} s</td></tr>"


def _failure(failure: Failure) -> str:
    told = f"{failure.time} {failure.step}: {failure.reason}, {failure.detail}"
    response = f"<pre>{escape(failure.response)}</pre>" if failure.response else "<p>no answer</p>"
    return (
        f"<details><summary>{escape(told)}</summary><p>after {failure.seconds:.3f} s</p>"
        f"<pre>{escape(failure.request)}</pre>{response}</details>"
    )
