"""What `/probes` shows: how every target is doing and its last failures, as JSON and as a page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from exporter.probing.failures import Failure

#: Targets on the page, the troubled ones first; JSON has them all.
MAX_ROWS = 500

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Probes - Nightshift exporter</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<style>body{{font:15px/1.5 system-ui,sans-serif;max-width:75rem;margin:2rem auto;padding:0 1rem}}
table{{border-collapse:collapse;width:100%}}th,td{{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #8886;
vertical-align:top}}td{{overflow-wrap:anywhere}}td:first-child,td:nth-child(4){{white-space:nowrap}}
pre{{white-space:pre-wrap;overflow-wrap:anywhere;font-size:13px}}.down{{font-weight:bold}}
@media(max-width:45rem){{thead{{display:none}}tr,td{{display:block;border:0;padding:0}}
tr{{border-bottom:1px solid #8886;padding:.5rem 0}}}}</style></head>
<body><h1>Probes</h1><p>{summary} <a href=".">All pages</a>, <a href="?format=json">the same as JSON</a></p>
<table><thead><tr><th scope="col">State</th><th scope="col">Target</th><th scope="col">Module</th>
<th scope="col">Last run</th><th scope="col">Last failures, the newest first</th></tr></thead>
<tbody>{rows}</tbody></table></body></html>
"""
_ROW = """<tr><td class="{state}">{state}</td><td>{target}</td><td>{module}</td><td>{last}</td>
<td>{failures}</td></tr>
"""
_FAILURE = """<details><summary>{at} {reason}: {detail}</summary><p>Step {step}, after {seconds:.3f} s.</p>
<pre>{steps}</pre>{response}</details>
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A target and module.

    Attributes:
        state: `up`, `down`, or `asked` where only `/probe` runs it.
        last_run: seconds that the last run took; None before the first and where only `/probe` runs it.
    """

    target: str
    module: str
    state: str
    last_run: float | None
    failures: Sequence[Failure]


def page(rows: Sequence[Row]) -> str:
    """The page; what came from outside is escaped."""
    ordered = sorted(rows, key=lambda row: (row.state != "down", not row.failures, row.target))
    down = sum(row.state == "down" for row in rows)
    summary = f"{len(rows)} targets, {down} down."
    if len(rows) > MAX_ROWS:
        summary += f" The first {MAX_ROWS} are shown."
    return _PAGE.format(summary=summary, rows="".join(map(_row, ordered[:MAX_ROWS])))


def _row(row: Row) -> str:
    return _ROW.format(
        state=escape(row.state),
        target=escape(row.target),
        module=escape(row.module),
        last="" if row.last_run is None else f"{row.last_run * 1000:.1f} ms",
        failures="".join(map(_failure, row.failures)),
    )


def _failure(failure: Failure) -> str:
    response = f"<p>The response began with:</p><pre>{escape(failure.response)}</pre>" if failure.response else ""
    return _FAILURE.format(
        at=f"{datetime.fromtimestamp(failure.at, UTC):%Y-%m-%d %H:%M:%S} UTC",
        reason=escape(failure.reason),
        detail=escape(failure.detail),
        step=escape(failure.step),
        seconds=failure.seconds,
        steps=escape(failure.steps),
        response=response,
    )
