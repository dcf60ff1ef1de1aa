r"""What stays of a message when everything that differs from case to case is taken out: its canonical form.

    Failed password for root from 10.0.0.7 port 4122  ->  Failed password for <*> from <*> port <*>

The rules know how programs write parameters, not what any one program writes. A *word* is a run of letters, digits
and `_.-/@+#%*~\$`. A word is a parameter when it has a digit, or looks like a path, an address, a name with dots;
so is what stands in quotes (unless it is a message itself), after `key=`, or as a name after a preposition. Parameters
side by side are one parameter, however many they are: a list of 3 and a list of 300 are the same event.

Every expression takes linear time on any input: repetitions are possessive and start at the border of a word only.
"""

import re
from collections.abc import Callable, Iterable
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

#: Stands for a parameter inside canonical forms: a character that log lines do not have.
PARAMETER = "\0"
#: Stands for a parameter where people read.
SHOWN_PARAMETER = "<*>"

_W = PARAMETER
_IN_WORD = r"A-Za-z0-9_.\-/@+#%*~\\$\x00"
_LETTERS = r"A-Za-z_.\-/@+#%*~\\$"
#: The borders of a word.
_START = rf"(?<![{_IN_WORD}])"
_END = rf"(?![{_IN_WORD}])"


def _one_of(words: str, *, capitalised: bool = False) -> str:
    """An expression for one of *words*, by first letter: a list of 80 words is tried as fast as one of 20."""
    branches = []
    for first, same in groupby(sorted(words.split()), key=itemgetter(0)):
        letter = f"[{first}{first.upper()}]" if capitalised else first
        branches.append(f"{letter}(?:{'|'.join(word[1:] for word in same)})")
    return f"(?:{'|'.join(branches)})"


_DAY = _one_of("Mon Tue Wed Thu Fri Sat Sun") + "[a-z]*+"
_MONTH = _one_of("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec") + "[a-z]*+"
_ZONE = r"(?:AM|PM|am|pm|UTC|GMT|CEST|EEST|AE[SD]T|[ABCEHIJKMPW][SDE]T)"
_UNIT = (
    r"(?:[kKMGTP]i?[Bb]|[Bb]ytes?|B|[kKMG]bps|[kKMG]?Hz|[mnu]?s|[mnu]?secs?|(?:milli|micro|nano)?seconds?"
    r"|mins?|minutes?|hours?|hrs?|h|days?|%|percent)"
)
_SOURCE = _one_of("c h cc cpp cxx hpp py php inc module java kt scala js mjs ts go rb rs pl pm sh cs lua sql")
_KEPT_KEY = _one_of("msg message err error exception level severity reason")
#: Nouns that a name of such a thing follows. No function or method: which one fails is what happened.
_KINDS = (
    "account action address app application backend block branch broker bucket bus cgroup channel class client"
    " cluster column comm command component constraint consumer container customer database db dev device"
    " directory disk display domain driver endpoint event exchange extension field file filesystem flag folder"
    " frontend group host image index instance interface job key label listener lock machine model module mount"
    " name namespace network node object package page partition path peer plugin pod policy port process producer"
    " profile program project proxy queue rack region relation replica repository role route schema server service"
    " session shard slot snapshot stream subscription table tag task tenant thread token topic type url user"
    " version vhost view volume worker zone"
)
_KIND = _one_of(_KINDS, capitalised=True)
_PREPOSITION = _one_of("for by of as from to in on at with into via")
_VERB = rf"(?:{_one_of('is was has had not does did can cannot could')}|[a-z]+ed)"
#: Words that follow a kind or a preposition and are no name: grammar, states, parts of compound nouns.
_NO_NAME = (
    "(?:"
    + _one_of(
        "a an and any are as at be because been before after but by can cannot did does due during for from had has"
        " have if in into is it its name names no not of on or since than that the then this to until was were when"
        " which while will with within without"
        " available busy dead died down empty full gone idle invalid lost missing offline online ready unavailable"
        " unknown unreachable up access certificate connection data error errors failure id input limit login output"
        " quota request response session space state status timeout usage"
    )
    + r"|[a-z]*(?:ing|ed|tion))"
)
_NAME = rf"(?!{_NO_NAME}\b(?!\[))[A-Za-z][{_IN_WORD}]*+"


class Rule(NamedTuple):
    """One way in which parameters are written: whatever *pattern* finds becomes *replacement*.

    *needs* is a text without which *pattern* finds nothing, and `glance` a cheaper question with the same promise:
    asked in this order, they spare three quarters of the time.
    """

    name: str
    needs: str
    pattern: re.Pattern[str]
    replacement: str | Callable[[re.Match[str]], str]
    glance: Callable[[str], object] = bool


PlainRule = tuple[
    str, str, re.Pattern[str], str | Callable[[re.Match[str]], str], Callable[[str], object]
]  # a Rule, but for its class


def _glance(pattern: str) -> Callable[[str], object]:
    """Whether a text holds *pattern*, which begins with a letter or a set: `re` goes through texts quickly then."""
    return re.compile(pattern).search


def _one_in(*texts: str) -> Callable[[str], object]:
    """Whether a text holds one of *texts*: for a few, quicker than an expression."""

    def glance(form: str) -> bool:
        for text in texts:  # noqa: SIM110 -- any() of a generator takes twice as long
            if text in form:
                return True
        return False

    return glance


def _replacement(template: str) -> str | Callable[[re.Match[str]], str]:
    r"""What `sub` takes for *template*, which is text, or all groups (`\1\2`) and text.

    Templates are filled in by Python code before Python 3.12, and looked up even where there is nothing to replace.
    """
    if "\\" not in template:
        return template
    text = _GROUPS.sub("", template)
    return lambda found: "".join(filter(None, found.groups())) + text


def _names_a_kind(form: str) -> bool:
    """Whether *form* has a word of `_KIND`, and another after it."""
    return not _KIND_WORDS.isdisjoint(_BEFORE_A_WORD.findall(form))


def _is_spaced(form: str) -> object:
    """Whether white space in *form* is anything but single blanks."""
    return "  " in form or _NO_BLANK(form)


def _repeats_words(form: str) -> bool:
    """Whether a word of *form* comes twice."""
    words = form.split(" ")
    return len(set(words)) < len(words)


_GROUPS = re.compile(r"\\\d")
_KIND_WORDS = frozenset(word for kind in _KINDS.split() for word in (kind, kind.capitalize()))
_BEFORE_A_WORD = re.compile(r"[A-Za-z](?<![A-Za-z].)[A-Za-z]*+(?=:? [A-Za-z])")
_NO_BLANK = _glance(r"[\x01-\x1f\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")

#: What to ask before a rule of this name is tried, beside the text that it needs.
_GLANCES: dict[str, Callable[[str], object]] = {
    "date": _glance(r"[A-Z\x00](?:(?<=\x00) [A-Zap]|[a-z]{2,}+[,.]?\s++\x00)"),
    "quoted": _one_in('"', "'", "`"),
    "address": _glance(r":[A-Fa-f\x00]{0,4}:"),
    "literal": _one_in("rue", "alse", "ull", "nil", "None", "NULL", "RUE", "ALSE", "NaN"),
    "exception": _glance(r"[.\\]\w*(?:Exception|Error|Warning|Fault)"),
    "host": _one_in(f":{_W}", "localhost"),
    "dotted": _glance(r"\.[\w$*/\x00-]++\."),
    "drive": _one_in(":\\", f":{_W}"),
    "hexadecimal": _glance("[A-Fa-f][A-Fa-f]{7}"),
    "name of a kind": _names_a_kind,
    "name after a preposition": _one_in("ed for ", "ed by ", "from "),
    "after colon": _glance(r":(?<=\w:)[A-Za-z]"),
    "field of a record": _glance(r"[,;{(\[] \w++ ?:"),
    "in parentheses": _glance(r"\([A-Za-z]"),
    "comparison": _glance(r"[<>~≈≤≥+=-]\s?\x00"),
    "restated quantity": _glance(r"\x00 ?[A-Za-z%]++ \(\x00"),
    "space": _is_spaced,
    "repetition": _repeats_words,
}


#: Every word with a digit. It runs over every message; the other rules run once for each result of this one.
WORD_WITH_DIGIT = re.compile(
    rf"(?<![{_LETTERS}0-9])[{_LETTERS}]*+(?:://[{_LETTERS}]*+)?+[0-9][{_LETTERS}0-9]*+",
)

#: In the order in which they are applied.
RULES: tuple[Rule, ...] = tuple(
    Rule(name, needs, re.compile(pattern), _replacement(replacement), _GLANCES.get(name, bool))
    for name, needs, pattern, replacement in (
        ("date", _W, rf"\b(?:(?:{_DAY}|{_MONTH})[,.]?\s++){{1,4}}+(?=\x00)|(?<=\x00) {_ZONE}\b", ""),
        ("url", "://", r"(?<![A-Za-z+.\-\x00])(?:[A-Za-z][A-Za-z+.-]*+|\x00)://[^\s\"'<>()\[\]{},;]*+", _W),
        ("email", "@", rf"{_START}[A-Za-z0-9_.\-/+#%*~\\$\x00]++@[{_IN_WORD}]++", _W),
        (
            "quoted message",
            '"',
            (
                rf"(\"?\b{_KEPT_KEY}\"?\s?[:=]\s?)\"([^\"]*+)\""
                r"|\"((?=[^\"]*(?:[Ee]rror|[Ww]arning|[Ee]xception|[Ff]ailed|[Cc]annot))[^\"]*+)\"|(\"[^\"]*+\")"
            ),
            r"\1\2\3\4",
        ),
        ("quoted", "", r"\"[^\"]*+\"|(?<![\w'\x00])'[^']*+'(?!\w)|`[^`']*+[`']", _W),
        (
            "address",
            ":",
            (
                r"(?<![\w:\x00])(?=::|[A-Fa-f\x00]{1,4}:)(?:(?:[A-Fa-f]{1,4}+|\x00)?+:){2,7}+"
                r"(?:[A-Fa-f]{1,4}+|\x00|(?<=::))(?![\w:])"
            ),
            _W,
        ),
        (
            "key value",
            "=",
            (
                rf"(\b(?!{_KEPT_KEY}\s?=)\w++|[)\]\x00])\s?=(?![=>~])"
                r"(?:\s(?=[^\s=]++(?:\s|$))(?![\w.]++\s?=))?+[^\s,;|&()\[\]{}<>=]*+"
            ),
            r"\1=" + _W,
        ),
        ("literal", "", r"\b(?:true|false|null|nil|True|False|None|NULL|TRUE|FALSE|NaN)\b", _W),
        ("exception", "", r"(?<![\w.\\])(?:\w++[.\\])++(?=\w*(?:Exception|Error|Warning|Fault)\b)", ""),
        ("host", "", rf"{_START}(?:(?:[\w-]++\.)+(?!{_SOURCE}:)[A-Za-z]++:\x00|localhost{_END})", _W),
        ("dotted", ".", rf"{_START}[A-Za-z_][\w$/-]*+(?:\.[\w$*/\x00-]++){{2,}}+\.?+(?![{_IN_WORD}(])", _W),
        (
            "path",
            "/",
            (
                rf"{_START}(?:~|\.\.?)?/[{_IN_WORD}]*+"
                rf"|{_START}(?:[\w.-]++/){{2,}}+[{_IN_WORD}]*+"
                rf"|{_START}[\w-]++(?:/[\w-]*+\.|(?:\.[\w-]++)++/)[{_IN_WORD}]*+"
                rf"|(?<=[\w:,)\]\x00] )[a-z][\w-]++/[a-z][\w-]++(?![{_IN_WORD}(:])"
            ),
            _W,
        ),
        ("drive", ":", r"\b[A-Za-z]:[\\\x00][^\s\"'<>|,;]*+", _W),
        ("hexadecimal", "", rf"{_START}(?:[a-f]{{8,}}|[A-F]{{8,}}){_END}", _W),
        (
            "name of a kind",
            " ",
            (
                rf"(?<!\w)(?=[A-Za-z])(?:({_PREPOSITION} (?:[a-z-]++ )?{_KIND}) {_NAME}(?![:=])"
                rf"|({_KIND}) {_NAME}(?= (?:{_PREPOSITION}|{_VERB})\b| ?[\[(,;)\]])"
                rf"|(?<= )(?=[A-Za-z]++:)({_KIND}:) {_NAME}(?=[,;)\]]|$))"
            ),
            r"\1\2\3 " + _W,
        ),
        ("name after a preposition", " ", rf"(?:(?<=ed for )|(?<=ed by )|(?<=\bfrom ))(?=[a-z]){_NAME}(?![:=])", _W),
        ("name before an address", "for ", rf"(?<=\bfor ){_NAME}(?= {_PREPOSITION} \x00| [\[(])", _W),
        ("after colon", ":", rf"(\b[a-z]++[A-Z]\w*+:)(?!/)[A-Za-z][{_IN_WORD}]*+(?![:(=])", r"\1" + _W),
        (
            "field of a record",
            ":",
            rf"(?<=[,;{{(\[] )(\w++ ?): ?[A-Za-z][{_IN_WORD}]*+(?=\s?[,;)}}\]]|$)",
            r"\1: " + _W,
        ),
        ("in angles", "<", rf"(?<![<\w])<[A-Za-z\x00][{_IN_WORD}]*+>", _W),
        (
            "list of names",
            ",",
            rf"{_START}[A-Za-z\x00][{_IN_WORD}]*+(?:, ?[A-Za-z\x00][{_IN_WORD}]*+){{2,}}+(?![=:(])",
            _W,
        ),
        ("in parentheses", "(", rf"(?<=\w)\([A-Za-z][{_IN_WORD}]*+\)", f"({_W})"),
        ("in braces", "{", rf"(?<=\w)\{{[A-Za-z][{_IN_WORD}]*+(?![:=])", "{" + _W),
        (
            "in brackets",
            "[",
            rf"(?:(?<=[\w:,)\]\x00] )|(?<=\w))\[[{_IN_WORD}]++(?:,\s?[{_IN_WORD}]++)*+\]",
            f"[{_W}]",
        ),
        ("snake case", "_", rf"(?<=[\w:,)\]\x00] )[a-z]++(?:_[a-z]++)++(?![{_IN_WORD}(:=])", _W),
        (
            "file or host",
            ".",
            (
                rf"(?:(?<=[\w:,)\]\x00] )|(?<=[(\[{{<]))(?<![{_IN_WORD}])"
                rf"[\w-]++\.[\w-][\w.-]*+(?![{_IN_WORD}(:])"
            ),
            _W,
        ),
        ("comparison", _W, r"(?<![\w\x00>])(?:[<>~≈≤≥+]=?|-)\s?\x00", _W),
        ("restated quantity", f" ({_W}", rf"(\x00 ?{_UNIT}) \(\x00 ?{_UNIT}\)", r"\1"),
        ("unit", _W, rf"\x00 {_UNIT}(?![\w:=])", _W),
        ("empty parentheses", "()", r"\(\)(?<=\s\(\))", f"({_W})"),
        ("empty brackets", "[]", r"(?<=[\s=:])\[\]", f"[{_W}]"),
        ("unit file", ".", rf"{_START}[\w@-]++\.(?:service|socket|timer|target|mount|slice|scope|conf)\b", _W),
        ("space", "", r"[\s\x01-\x1f\x7f]++", " "),
        ("list", _W, r"(?:\x00|\[\x00\](?=:))(?:(?:[:/.,@;_|-]*+|(?: and| or|[,;:|/]| -)? )\x00)++", _W),
        ("nested value", "=" + _W, r"=\x00(?:\([^()=]*+\)|\{[^{}=]*+\}|\[[^\[\]=]*+\])", "=" + _W),
        ("repetition", " ", r"(?<!\S)(\S++(?: \S++){0,3}?)(?: \1)++(?!\S)", r"\1"),
    )
)

#: The same as plain tuples, which Python takes apart in half the time.
PLAIN_RULES: tuple[PlainRule, ...] = tuple(rule[:] for rule in RULES)

#: Longer canonical forms end here; what differs later only is one event.
MAX_FORM_LENGTH = 400
_LETTERS_IN_A_ROW = re.compile(r"[^\W\d_]{2}")
_NUMBER = re.compile(r"[0-9]++")


def mask(message: str) -> str:
    """*message* with a `PARAMETER` for every word that has a digit, cheap enough for every line of a log.

    Where nothing readable would stay, as of `jetty-6.1.26`, the words stay and their numbers only go.
    """
    masked = WORD_WITH_DIGIT.sub(PARAMETER, message)
    return masked if _LETTERS_IN_A_ROW.search(masked) else _NUMBER.sub(PARAMETER, message)


def canonical(masked: str, rules: Iterable[PlainRule] = PLAIN_RULES) -> str:
    """The canonical form of a message that `mask` has seen; the mask itself where nothing readable would stay."""
    form = masked
    for _, needs, pattern, replacement, glance in rules:
        if needs in form and glance(form):
            form = pattern.sub(replacement, form)
    form = form.strip()
    return (form if _LETTERS_IN_A_ROW.search(form) else masked)[:MAX_FORM_LENGTH]
