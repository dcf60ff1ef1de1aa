"""A real Prometheus with synthetic data and the shipped rules, for the boards' queries."""

import functools
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import requests

from demo import binaries
from demo.processes import Child, free_ports
from demo.waiting import until
from tests.grafana.healthy import SPAN_SECONDS, STEP_SECONDS, Series, openmetrics
from tests.grafana.reading import ROOT, Query

START_SECONDS = 30.0


@dataclass(frozen=True)
class Served:
    """A running server and the time at which its data ends."""

    url: str
    end: float

    def ask(self, query: Query) -> dict[str, Any]:
        """The whole answer to *query*, as its panel asks it: now, or over the time of the data."""
        if query.instant:
            return self._get("query", {"query": _of_seconds(query.promql), "time": self.end})
        span = {"start": self.end - SPAN_SECONDS, "end": self.end, "step": STEP_SECONDS}
        return self._get("query_range", {"query": query.promql, **span})

    def now(self, promql: str) -> list[dict[str, Any]]:
        """The rows of *promql* at the end of the data."""
        rows: list[dict[str, Any]] = self._get("query", {"query": promql, "time": self.end})["data"]["result"]
        return rows

    def _get(self, path: str, parameters: dict[str, Any]) -> dict[str, Any]:
        response = requests.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=10)
        return {"code": response.status_code, **response.json()}


def _of_seconds(promql: str) -> str:
    """What is recorded is some seconds old here: its baselines are taken in steps of a second, not of minutes."""
    return promql.replace("[1d:5m]", "[5m:1s]").replace("[30m:1m]", "[5m:1s]")


def values(answer: dict[str, Any]) -> list[float]:
    """Every number in an answer."""
    rows = answer["data"]["result"]
    return [float(value) for row in rows for _, value in row.get("values", [row.get("value")])]


@contextmanager
def served(series: list[Series], start: float, folder: Path, *, rules: bool = True) -> Iterator[Served]:
    """Runs Prometheus over *series*; ready when the shipped rules, if any, have been evaluated over them."""
    data = folder / "samples.txt"
    with data.open("w") as out:
        out.writelines(openmetrics(series, start))
    argv = [
        str(binaries.find("promtool")),
        "tsdb",
        "create-blocks-from",
        "openmetrics",
        str(data),
        str(folder / "tsdb"),
    ]
    subprocess.run(argv, check=True, capture_output=True, timeout=60)
    child, url = _prometheus(folder, rules)
    child.start()
    try:
        yield Served(url, _ready(url) if rules else _up(url))
    finally:
        child.stop()


def _prometheus(folder: Path, rules: bool) -> tuple[Child, str]:  # noqa: FBT001 -- as its caller has it
    address = f"127.0.0.1:{free_ports(1)[0]}"
    config = folder / "prometheus.yml"
    files = [str(ROOT / "prometheus" / "rules" / "*.rules.yml")] if rules else []
    config.write_text(f"global: {{evaluation_interval: 1s}}\nrule_files: {files}\n")
    program = str(binaries.find("prometheus"))
    flags = [f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}", f"--web.listen-address={address}"]
    return Child("prometheus", [program, *flags], folder / "prometheus.log"), f"http://{address}"


def _up(url: str) -> float:
    """Waits until the server answers."""
    until(lambda: _groups(url) is not None, "Prometheus", START_SECONDS)
    return time.time()


def _ready(url: str) -> float:
    """Waits for three evaluations of all rules: some read what others record, and a baseline needs a second of it."""
    seen = 0.0
    for count in ("first", "second", "third"):
        what = f"the {count} evaluation of all rules"
        seen = until(functools.partial(_evaluated, url, seen), what, START_SECONDS)
    return seen


def _evaluated(url: str, since: float) -> float | None:
    """The time now, None when a group of rules was not evaluated later than *since*."""
    times = [datetime.fromisoformat(group["lastEvaluation"]).timestamp() for group in _groups(url) or []]
    return time.time() if times and min(times) > since else None


def _groups(url: str) -> list[dict[str, Any]] | None:
    """The groups of rules, None when nothing answers yet."""
    try:
        answer = requests.get(f"{url}/api/v1/rules", timeout=5)
    except requests.ConnectionError:
        return None
    return list(answer.json()["data"]["groups"]) if answer.ok else None
