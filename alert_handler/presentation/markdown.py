"""Markdown as safe HTML: the subset that runbooks are written in.

Headings (their anchor is their text in lower case), paragraphs, lists, tables, fenced code, inline code, bold,
emphasis and links. All text is escaped first, HTML in the source is text; a link is http, https, an anchor of the
page, or another runbook, else it is only its text.
"""

import re
from collections.abc import Callable, Iterator

from markupsafe import Markup, escape

from alert_handler.presentation.rendering import web_link

_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*\s*")
_ITEM = re.compile(r"(\s*)(?:[-*+]|(\d{1,9})[.)])\s+(.*)")
_RULE_OFF = re.compile(r"\s*(?:-{3,}|\*{3,}|_{3,})\s*")
_TABLE_RULE = re.compile(r"\s*\|?(?:\s*:?-+:?\s*\|)+(?:\s*:?-+:?\s*)?")
_NOT_IN_ANCHOR = re.compile(r"[^\w\- ]")
_INLINE = re.compile(
    r"(?P<code>`+)(?P<coded>[^`\n]{1,1000})(?P=code)"
    r"|\[(?P<text>[^\]\n]{1,500})\]\((?P<url>[^()\s]{1,1000})\)"
    r"|<(?P<auto>https?://[^<>\s]{1,1000})>"
    r"|\*\*(?P<bold>[^*\n]{1,500})\*\*"
    r"|(?<![\w*])\*(?P<emphasis>[^*\s][^*\n]{0,500})\*"
)
_SIBLING = re.compile(r"(?:\./)?([A-Za-z0-9_-]+)\.md(#[A-Za-z0-9_-]+)?")
_ANCHOR = re.compile(r"#[A-Za-z0-9_-]+")

Lines = list[str]
Block = tuple[Markup, int]


def render(text: str) -> Markup:
    """*text* as HTML."""
    return Markup("\n").join(_blocks(text.replace("\r\n", "\n").split("\n")))


def title(text: str) -> str:
    """The text of the first heading, or ""."""
    headings = (_HEADING.fullmatch(line) for line in text.split("\n"))
    return next((heading.group(2) for heading in headings if heading), "")


def anchor(heading: str) -> str:
    """The id of a heading: its text in lower case, spaces as hyphens, without other signs."""
    return _NOT_IN_ANCHOR.sub("", heading.lower()).strip().replace(" ", "-")


def inline(text: str) -> Markup:
    """One run of text with its code, links, bold and emphasis."""
    parts: list[Markup] = []
    at = 0
    for match in _INLINE.finditer(text):
        parts += [escape(text[at : match.start()]), _inline(match)]
        at = match.end()
    return Markup("").join([*parts, escape(text[at:])])


def target(url: str) -> str:
    """Where a link may lead: the web, an anchor, or `name.md` as the page of another runbook; else ""."""
    sibling = _SIBLING.fullmatch(url)
    if sibling:
        return sibling.group(1) + (sibling.group(2) or "")
    return url if _ANCHOR.fullmatch(url) else web_link(url)


def _inline(match: re.Match[str]) -> Markup:
    found = match.groupdict()
    if found["coded"] is not None:
        return Markup("<code>{}</code>").format(found["coded"])
    if found["bold"] is not None:
        return Markup("<strong>{}</strong>").format(inline(found["bold"]))
    if found["emphasis"] is not None:
        return Markup("<em>{}</em>").format(inline(found["emphasis"]))
    if found["auto"] is not None:
        return _link(found["auto"], escape(found["auto"]))
    return _link(found["url"], inline(found["text"]))


def _link(url: str, text: Markup) -> Markup:
    where = target(url)
    return Markup('<a href="{}" rel="noopener noreferrer">{}</a>').format(where, text) if where else text


def _blocks(lines: Lines) -> Iterator[Markup]:
    """The blocks of *lines*; each reader takes what is its own and says how many lines that were."""
    at = 0
    while at < len(lines):
        if not lines[at].strip():
            at += 1
            continue
        reader = next(reader for fits, reader in _READERS if fits(lines[at:]))
        markup, taken = reader(lines[at:])
        yield markup
        at += taken


def _fenced(lines: Lines) -> Block:
    indent = len(lines[0]) - len(lines[0].lstrip())
    end = next((n for n, line in enumerate(lines[1:], 1) if line.strip() == "```"), len(lines))
    code = "\n".join(line[min(indent, len(line) - len(line.lstrip())) :] for line in lines[1:end])
    return Markup('<pre tabindex="0"><code>{}</code></pre>').format(code), end + 1


def _heading(lines: Lines) -> Block:
    match = _HEADING.fullmatch(lines[0])
    level, text = (len(match.group(1)), match.group(2)) if match else (1, lines[0])
    return Markup('<h{0} id="{1}">{2}</h{0}>').format(level, anchor(text), inline(text)), 1


def _line_across(_lines: Lines) -> Block:
    return Markup("<hr>"), 1


def _table(lines: Lines) -> Block:
    rows = list(_until(lines, lambda line: "|" not in line))
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(inline(cell)) for cell in _cells(rows[0]))
    body = Markup("").join(
        Markup("<tr>{}</tr>").format(
            Markup("").join(Markup("<td>{}</td>").format(inline(cell)) for cell in _cells(row))
        )
        for row in rows[2:]
    )
    table = Markup('<div class="scroll" tabindex="0"><table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>')
    return table.format(head, body), len(rows)


def _list(lines: Lines) -> Block:
    """A list; what is indented deeper belongs to its item, and may be a list or code of its own."""
    first = _ITEM.fullmatch(lines[0])
    depth, ordered = (len(first.group(1)), first.group(2) is not None) if first else (0, False)
    items: list[Lines] = []
    for line in lines:
        item = _own_item(line, depth, ordered=ordered)
        if item is not None:
            items.append([item])
        elif _continues(line, depth, items[-1][-1]):
            items[-1].append(line[depth + 2 :] if line[: depth + 2].isspace() else line.lstrip())
        else:
            break
    body = Markup("").join(Markup("<li>{}</li>").format(_item(item)) for item in items)
    return Markup("<{0}>{1}</{0}>").format("ol" if ordered else "ul", body), sum(map(len, items))


def _own_item(line: str, depth: int, *, ordered: bool) -> str | None:
    """The text of *line* when it begins an item of the list at *depth*."""
    match = _ITEM.fullmatch(line)
    own = match is not None and len(match.group(1)) == depth and (match.group(2) is not None) == ordered
    return match.group(3) if match and own else None


def _continues(line: str, depth: int, before: str) -> bool:
    """Whether *line* belongs to the item of which *before* is a line: it is deeper, or goes on without a gap."""
    if not line.strip() or len(line) - len(line.lstrip()) > depth:
        return True
    return bool(before.strip()) and not _begins_block(line)


def _item(lines: Lines) -> Markup:
    """An item's content: a text alone stands without a paragraph around it."""
    if all(not _begins_block(line) for line in lines[1:]) and "" not in map(str.strip, _without_gap(lines)):
        return inline(" ".join(line.strip() for line in lines).strip())
    return Markup("").join(_blocks(lines))


def _without_gap(lines: Lines) -> Lines:
    """*lines* without the empty ones at their end."""
    last = max((n for n, line in enumerate(lines) if line.strip()), default=-1)
    return lines[: last + 1]


def _paragraph(lines: Lines) -> Block:
    own = [lines[0], *_until(lines[1:], lambda line: not line.strip() or _begins_block(line))]
    return Markup("<p>{}</p>").format(inline(" ".join(line.strip() for line in own))), len(own)


def _until(lines: Lines, ends: Callable[[str], bool]) -> Iterator[str]:
    for line in lines:
        if ends(line):
            return
        yield line


def _cells(row: str) -> Lines:
    """The cells of a table row; a bar inside a cell is written with a backslash before it."""
    cells = re.split(r"(?<!\\)\|", row.strip().removeprefix("|").removesuffix("|"))
    return [cell.strip().replace("\\|", "|") for cell in cells]


def _begins_block(line: str) -> bool:
    return line.lstrip().startswith("```") or bool(
        _HEADING.fullmatch(line) or _RULE_OFF.fullmatch(line) or _ITEM.fullmatch(line)
    )


def _is_table(lines: Lines) -> bool:
    return "|" in lines[0] and len(lines) > 1 and _TABLE_RULE.fullmatch(lines[1]) is not None


_READERS: tuple[tuple[Callable[[Lines], object], Callable[[Lines], Block]], ...] = (
    (lambda lines: lines[0].lstrip().startswith("```"), _fenced),
    (lambda lines: _HEADING.fullmatch(lines[0]), _heading),
    (lambda lines: _RULE_OFF.fullmatch(lines[0]), _line_across),
    (lambda lines: _ITEM.fullmatch(lines[0]), _list),
    (_is_table, _table),
    (lambda _lines: True, _paragraph),
)
