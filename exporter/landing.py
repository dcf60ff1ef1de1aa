"""The page at `/`: what runs here, and where the rest is."""

from collections.abc import Mapping, Sequence
from html import escape

from chassis import VERSION
from exporter.answers import Answer, Route, html_answer, json_answer

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Nightshift exporter</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}}
li{{padding:.25rem 0}}a{{color:LinkText}}</style></head>
<body><h1>Nightshift exporter</h1><p>Version {version}. Collectors: {collectors}.</p>
<ul>{links}</ul><p>The same as JSON: <a href="?format=json">?format=json</a></p></body></html>
"""


def landing(collectors: Sequence[str], routes: Mapping[str, Route], query: str) -> Answer:
    """The page, or the same as JSON where *query* asks for it; every link is relative, for a server below a prefix."""
    links = {path.lstrip("/"): route.title for path, route in routes.items() if route.title}
    if "format=json" in query.split("&"):
        return json_answer(
            {"name": "Nightshift exporter", "version": VERSION, "collectors": collectors, "links": links}
        )
    items = "".join(f'<li><a href="{escape(path)}">{escape(title)}</a></li>' for path, title in links.items())
    named = escape(", ".join(collectors) or "none")
    return html_answer(_PAGE.format(version=escape(VERSION), collectors=named, links=items))
