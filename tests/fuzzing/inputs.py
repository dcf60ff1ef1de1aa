"""Hostile inputs: good examples with the damage that strangers, crashes and attackers do, each made from a number."""

# ruff: noqa: E501 -- examples are data, one beside the other

import json
from collections.abc import Callable, Sequence
from random import Random

#: Bytes of an input; a few are grown to `BLOWN_UP`, which shows what is quadratic.
LONGEST = 64 * 1024
BLOWN_UP = 256 * 1024
#: One input in so many is grown.
GROWN_EVERY = 400

#: What is put into inputs of every kind.
TOKENS = (
    b"\0", b"\r", b"\n", b"\r\n", b"\r\n\r\n", b" ", b"\t", b'"', b"'", b"\\", b"%", b"%00", b"%0d%0a", b"%ff",
    b"\xff", b"\xfe\xff", b"\xef\xbb\xbf", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80",
    "\u202e\u2066\u200b".encode(), "\u0130\u017f\u00df\u1e9e".encode(), "\u0661\u0662\u00b2".encode(), b"\x1b[2J\x1b]0;x\x07", b"\x01",
    b"\\ud800", b"\\u0000", b"-1", b"-0", b"0", b"1e999", b"-1e309", b"NaN", b"nan", b"inf", b"-Infinity", b"0x10",
    b"1_000", b"9223372036854775808", b"18446744073709551616", b"4294967296", b"2147483648", b"65536", b"65535",
    b"9" * 5000, b"-" + b"9" * 400, b"0." + b"1" * 400, b"1969-12-31T23:59:59Z", b"9999-12-31T23:59:59+14:00",
    b"../../etc/passwd", b"${jndi:ldap://x}", b"<script>", b"' OR 1=1 --", b"A" * 300, b"(" * 200, b"[" * 2000,
    b'{"a":' * 1200, b"((a+)+)+$", b"null", b"true", b"None", b"~", b"!!python/object:os.system", b"&a [*a,*a]",
)  # fmt: skip

#: What is put in the place of a value of a JSON-like document.
VALUES: tuple[object, ...] = (
    None, True, False, 0, -1, 1, 0.5, -0.1, 1e308, float("inf"), float("nan"), 2**31, 2**53, 2**63, 2**64, 10**400,
    "", " ", "\0", "\n", "a\r\nb: c", "\u202e", "\ud800", "x" * 5000, "9" * 5000, "../..", "$x", "${a}", "(" * 5000, "a{99999999999999999999}", "(a+)+$", "[",
    "*", "/", "//", "127.0.0.1:0", "http://[::1", "1h", "-5s", "1e9s", "NaN", [], {}, [[]], [None], {"": ""},
    {"a": {"a": {}}}, ["x"] * 50, "!", "yes", "2026-01-01",
)  # fmt: skip

Damage = Callable[[Random, bytes, Sequence[bytes], Sequence[bytes]], bytes]


def made(rng: Random, seeds: Sequence[bytes], tokens: Sequence[bytes] = (), *, tree: bool = False) -> bytes:
    """An input from one of *seeds*, by one to a dozen damages; as a document, where it is one and *tree* is set."""
    data = rng.choice(seeds)
    if tree and rng.random() < 0.5:
        data = with_other_values(rng, data)
        if rng.random() < 0.6:
            return data
    for _ in range(min(12, 1 + int(rng.expovariate(0.6)))):
        data = rng.choice(DAMAGES)(rng, data, seeds, tokens)[:LONGEST]
    return _grown(rng, data, tokens) if rng.randrange(GROWN_EVERY) == 0 else data


def with_other_values(rng: Random, data: bytes) -> bytes:
    """The JSON document *data* with some of its values or keys replaced; *data* itself where it is none."""
    try:
        document = json.loads(data)
    except ValueError:
        return data
    for _ in range(rng.randint(1, 3)):
        document = _replaced(rng, document)
    return json.dumps(document, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")


def _replaced(rng: Random, node: object) -> object:
    """*node* with one value below it replaced, removed or moved."""
    if isinstance(node, dict) and node and rng.random() < 0.85:
        key = rng.choice(list(node))
        return _changed_mapping(rng, node, key)
    if isinstance(node, list) and node and rng.random() < 0.85:
        place = rng.randrange(len(node))
        return [*node[:place], _replaced(rng, node[place]), *node[place + 1 :]]
    return rng.choice(VALUES) if rng.random() < 0.8 else [node] * rng.randint(0, 20)


def _changed_mapping(rng: Random, node: dict[str, object], key: str) -> dict[str, object]:
    chance = rng.random()
    if chance < 0.1:
        return {other: value for other, value in node.items() if other != key}
    if chance < 0.2:
        return {**node, str(rng.choice(VALUES))[:200]: node[key]}
    return {**node, key: _replaced(rng, node[key])}


def _place(rng: Random, data: bytes) -> int:
    return rng.randint(0, len(data))


def _flip_bits(rng: Random, data: bytes, _seeds: Sequence[bytes], _tokens: Sequence[bytes]) -> bytes:
    if not data:
        return data
    damaged = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def _set_bytes(rng: Random, data: bytes, _seeds: Sequence[bytes], _tokens: Sequence[bytes]) -> bytes:
    at = _place(rng, data)
    return data[:at] + rng.randbytes(rng.choice((1, 2, 4, 8))) + data[at + rng.randint(0, 8) :]


def _cut(rng: Random, data: bytes, _seeds: Sequence[bytes], _tokens: Sequence[bytes]) -> bytes:
    at = _place(rng, data)
    return data[:at] if rng.random() < 0.7 else data[at:]


def _remove(rng: Random, data: bytes, _seeds: Sequence[bytes], _tokens: Sequence[bytes]) -> bytes:
    at = _place(rng, data)
    return data[:at] + data[at + rng.choice((1, 1, 2, 8, 40)) :]


def _double(rng: Random, data: bytes, _seeds: Sequence[bytes], _tokens: Sequence[bytes]) -> bytes:
    at = _place(rng, data)
    end = at + rng.choice((1, 4, 20, 100, len(data)))
    return data[:end] + data[at:end] * rng.choice((1, 1, 2, 10)) + data[end:]


def _splice(rng: Random, data: bytes, seeds: Sequence[bytes], _tokens: Sequence[bytes]) -> bytes:
    other = rng.choice(seeds)
    return data[: _place(rng, data)] + other[_place(rng, other) :]


def _insert_token(rng: Random, data: bytes, _seeds: Sequence[bytes], tokens: Sequence[bytes]) -> bytes:
    at = _place(rng, data)
    known = tokens if tokens and rng.random() < 0.6 else TOKENS
    return data[:at] + rng.choice(known) + data[at + rng.choice((0, 0, 0, 1, 4)) :]


def _replace_number(rng: Random, data: bytes, _seeds: Sequence[bytes], _tokens: Sequence[bytes]) -> bytes:
    """Another number, or what is none, where a run of digits is."""
    places = [at for at in (_place(rng, data) for _ in range(20)) if data[at : at + 1].isdigit()]
    if not places:
        return data
    end = start = places[0]
    while start and data[start - 1 : start].isdigit():
        start -= 1
    while data[end : end + 1].isdigit():
        end += 1
    number = rng.choice((b"%d" % rng.getrandbits(rng.choice((1, 8, 16, 32, 64, 128))), rng.choice(TOKENS)))
    return data[:start] + number + data[end:]


def _shuffle_lines(rng: Random, data: bytes, _seeds: Sequence[bytes], _tokens: Sequence[bytes]) -> bytes:
    lines = data.splitlines(keepends=True)
    rng.shuffle(lines)
    return b"".join(lines)


#: Tokens twice: they get furthest.
DAMAGES: tuple[Damage, ...] = (
    _flip_bits, _set_bytes, _cut, _remove, _double, _splice, _insert_token, _insert_token, _replace_number,
    _shuffle_lines,
)  # fmt: skip


def _grown(rng: Random, data: bytes, tokens: Sequence[bytes]) -> bytes:
    """*data* with one piece of it, or one token, many times over."""
    at = _place(rng, data)
    piece = data[at : at + rng.choice((1, 2, 10, 100))] or b"a"
    if rng.random() < 0.5:
        piece = rng.choice((*TOKENS, *tokens)) or b"a"
    return (data[:at] + piece * (BLOWN_UP // len(piece)) + data[at:])[:BLOWN_UP]
