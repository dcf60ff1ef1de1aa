"""Access logs made for measuring, in every format that the exporter reads, and the sums that they must give."""

import json
import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
#: Twenty routes that their first segment tells apart; six hold an identifier.
PATHS = (
    *("/", "/cart", "/checkout", "/search", "/about", "/login", "/logout", "/basket", "/prices", "/health", "/news"),
    *("/static/app.js", "/images/logo.png", "/api/v2/stock"),
    *("/user/{}", "/product/{}", "/order/{}/lines", "/invoice/2026-{}", "/blob/{}", "/session/{}"),
)
AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/118.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.6",
    "curl/7.88.1",
)
#: One line in a thousand is what a scanner sends.
ODD = '10.0.0.1 - - [21/Nov/2026:02:29:00 +0000] "\\x16\\x03\\x01" 400 157 "-" "-" 0.000 -'
ODD_SHARE = 0.001


@dataclass(frozen=True, slots=True)
class Request:
    """One request as a server would log it; *seconds* as nginx writes it."""

    method: str
    path: str
    query: str
    status: int
    size: int
    seconds: str
    agent: str
    clock: str
    trace: str

    @property
    def milliseconds(self) -> int:
        """The request time as a whole number."""
        return round(float(self.seconds) * 1000)


def combined(request: Request) -> str:
    """Nginx's and Apache's combined format."""
    return (
        f'10.1.2.3 - - [21/Nov/2026:02:{request.clock} +0000] "{request.method} {request.path}{request.query} '
        f'HTTP/1.1" {request.status} {request.size} "https://shop.example/" "{request.agent}"'
    )


def _nginx_json(request: Request) -> str:
    return json.dumps(
        {
            "time_iso8601": f"2026-11-21T02:{request.clock}+00:00",
            "remote_addr": "10.1.2.3",
            "request": f"{request.method} {request.path}{request.query} HTTP/1.1",
            "status": str(request.status),
            "body_bytes_sent": str(request.size),
            "request_time": request.seconds,
            "http_user_agent": request.agent,
            "request_id": request.trace,
        }
    )


def _caddy_json(request: Request) -> str:
    client = {"remote_ip": "10.1.2.3", "proto": "HTTP/1.1", "method": request.method, "host": "shop.example"}
    client |= {"uri": request.path + request.query, "headers": {"User-Agent": [request.agent]}}
    line = {"level": "info", "ts": 1795228140.25, "logger": "http.log.access", "msg": "handled request"}
    line |= {"request": client, "duration": float(request.seconds), "size": request.size, "status": request.status}
    return json.dumps(line)


def _traefik_json(request: Request) -> str:
    line = {"ClientAddr": "10.1.2.3:4711", "DownstreamContentSize": request.size, "DownstreamStatus": request.status}
    line |= {"Duration": request.milliseconds * 1_000_000, "RequestMethod": request.method, "RouterName": "shop@file"}
    line |= {"RequestPath": request.path + request.query, "request_User-Agent": request.agent, "level": "info"}
    return json.dumps(line)


#: Format of the exporter's configuration -> how a line of it is written.
FORMATS: dict[str, Callable[[Request], str]] = {
    "combined": lambda request: f"{combined(request)} {request.seconds} {request.seconds} shop",
    "combined_microseconds": lambda request: f"{combined(request)} {request.milliseconds * 1000}",
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" '
    '"$http_user_agent" $request_time $host $request_id': lambda request: (
        f"{combined(request)} {request.seconds} shop {request.trace}"
    ),
    "nginx_json": _nginx_json,
    "caddy_json": _caddy_json,
    "traefik_json": _traefik_json,
}
TRACED = next(text for text in FORMATS if "$request_id" in text)


@dataclass
class Sums:
    """What a log adds up to, whoever reads it; routes are first segments, classes are 2 for 2xx."""

    lines: int = 0
    unparsed: int = 0
    requests: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    size: Counter[str] = field(default_factory=Counter)
    buckets: Counter[tuple[str, str]] = field(default_factory=Counter)

    def digest(self) -> str:
        """All of it as one word that is the same for the same sums; zeros do not count."""
        parts = [
            self.lines,
            self.unparsed,
            *(sorted((+part).items()) for part in (self.requests, self.size, self.buckets)),
        ]
        return f"{hash_of(repr(parts)):016x}"


def hash_of(text: str) -> int:
    """A number of 64 bits for *text*, the same in every process (FNV-1a)."""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def segment(path: str) -> str:
    """The first segment of a path or of a route, by which routes are compared."""
    return path.split("/", 2)[1] if path.startswith("/") else path


def limit_of(le: str) -> str:
    """A bucket's limit in one way of writing it."""
    return le if le == "+Inf" else f"{float(le):g}"


def requests(count: int, seed: int = 1) -> Iterator[Request]:
    """So many requests, always the same ones for a seed."""
    dice = random.Random(seed)  # noqa: S311 -- not a secret
    for number in range(count):
        draw = dice.random()
        path = PATHS[int(draw * len(PATHS))]
        yield Request(
            method="POST" if number % 7 == 0 else "GET",
            path=path.format(identifier(path, dice)) if "{" in path else path,
            query=f"?q={number}" if number % 5 == 0 else "",
            status=(200, 200, 200, 200, 200, 301, 404, 200, 200, 503)[number // 3 % 10],
            size=200 + int(draw * 7_919_000) % 50_000,
            seconds=f"{max(0.001, dice.lognormvariate(-3, 1)):.3f}",  # mtail puts 0 into no bucket
            agent=AGENTS[number % 3],
            clock=f"{number // 60000 % 60:02}:{number // 1000 % 60:02}",
            trace=f"{dice.getrandbits(128):032x}",
        )


def identifier(path: str, dice: random.Random) -> str:
    """What a path's braces stand for: a number, the rest of a date, or a hash."""
    if path.startswith(("/blob", "/session")):
        return f"{dice.getrandbits(128):032x}"
    return f"{dice.randrange(1, 13):02}-{dice.randrange(1, 29):02}" if "invoice" in path else str(dice.randrange(10**6))


def write(path: Path, count: int, form: str) -> Sums:
    """Write a log of so many lines in a format and give what it adds up to; JSON logs have no odd lines."""
    sums = Sums(lines=count)
    line = FORMATS[form]
    every = 0 if "json" in form else int(1 / ODD_SHARE)
    with path.open("w") as file:
        for number, request in enumerate(requests(count)):
            if every and number % every == every - 1:
                file.write(f"{ODD}\n")
                sums.unparsed += 1
            else:
                file.write(f"{line(request)}\n")
                _add(sums, request)
    _accumulate(sums)
    return sums


def _add(sums: Sums, request: Request) -> None:
    route = segment(request.path)
    sums.requests[route, request.method, str(request.status)[0]] += 1
    sums.size[route] += request.size
    bucket = bisect_left(BUCKETS, float(request.seconds))
    sums.buckets[route, f"{BUCKETS[bucket]:g}" if bucket < len(BUCKETS) else "+Inf"] += 1


def _accumulate(sums: Sums) -> None:
    """Buckets count what is in the smaller ones too."""
    limits = [*(f"{bound:g}" for bound in BUCKETS), "+Inf"]
    for route in sums.size:
        totals = accumulate(sums.buckets[route, limit] for limit in limits)
        sums.buckets.update(
            {(route, limit): total - sums.buckets[route, limit] for limit, total in zip(limits, totals, strict=True)}
        )
