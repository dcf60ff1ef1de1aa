import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from demo import binaries
from exporter.collectors.traffic import Traffic
from exporter.config import load
from exporter.exposition import OPENMETRICS, render
from exporter.sources.json_formats import NginxLine
from exporter.sources.log_formats import PRESETS, format_named
from exporter.sources.nginx_format import TRACES
from exporter.sources.routes import Routes

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "read-access-logs.md").read_text()
SERVICES = [
    yaml.safe_load(block)["collectors"]["traffic"]["services"]
    for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
]
#: What stands between the quotes of each log_format of the page.
NGINX = ["".join(re.findall(r"'(.*?)'", block)) for block in re.findall(r"```nginx\n(.*?)```", PAGE, re.DOTALL)]
HEAD = '10.0.0.1 - - [21/Nov/2026:02:29:00 +0000] "GET /shop/lamps/blue HTTP/1.1" 200 10'
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
LINES = {
    "blog": f'{HEAD} "-" "curl/8"\n',
    "shop": f'{HEAD} "-" "curl/8" 0.120 00-{TRACE}-00f067aa0ba902b7-01\n',
    "edge": f'{HEAD} "-" "-" 7 "shop@docker" "http://172.18.0.2:80" 12ms\n',
}


def exposition(folder: Path) -> str:
    """What the page's services, whose logs have one line each, look like."""
    services = {name: target for block in SERVICES for name, target in block.items()}
    for name, target in services.items():
        (folder / f"{name}.log").write_text(LINES[name])
        target |= {"path": str(folder / f"{name}.log"), "start": "beginning"}
    document = {"collectors": {"traffic": {"state_directory": str(folder), "services": services}}}
    (folder / "exporter.yml").write_text(yaml.safe_dump(document))
    collector = Traffic(load(folder / "exporter.yml", {"traffic": Traffic}).collectors["traffic"])
    text = render(collector.collect(), OPENMETRICS).decode()
    collector.close()
    return text


def test_services_of_the_page_are_read(tmp_path: Path) -> None:
    """Each log is understood in the format that the page gives it, with routes, buckets and trace."""
    text = exposition(tmp_path)
    assert re.findall(r'unparsed_lines_total\{service="(\w+)"\} 0', text) == ["blog", "edge", "shop"]
    assert 'nightshift_http_requests_total{service="shop",route="/shop/*",method="GET",status="2xx"} 1' in text
    assert 'service="edge",route="/shop/lamps/blue",le="0.025"} 1' in text
    assert re.search(rf'service="shop",route="/shop/\*",le="0.25"\}} 1 # \{{trace_id="{TRACE}",span_id=', text)


def test_text_of_nginx_is_the_one_that_is_read() -> None:
    """What the page tells nginx to write is what it tells the exporter to read."""
    assert NGINX[0] == SERVICES[0]["shop"]["format"]


def test_json_of_nginx_is_a_preset() -> None:
    """The page's JSON format makes lines of which every key is read."""
    line = re.sub(r"\$(\w+)", lambda found: {"request": "GET / HTTP/1.1"}.get(found[1], "200"), NGINX[1])
    assert set(json.loads(line)) <= set(NginxLine.__struct_fields__)
    assert len(format_named("nginx_json").rows(f"{line}\n".encode(), 1)) == 1


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_explained(preset: str) -> None:
    """No format is left to be guessed."""
    assert re.search(rf"^\| `{preset}`", PAGE, re.MULTILINE)


def test_variables_of_traces_are_in_their_order() -> None:
    """The first of the page's list counts."""
    found = re.search(r"the\nfirst counts: (.*?);", PAGE, re.DOTALL)
    assert found is not None
    assert re.findall(r"`\$(\w+)`", found[1]) == list(TRACES)


@pytest.mark.parametrize(("path", "route"), re.findall(r"^\| `(/[^`]+)` \| `([^`]+)`", PAGE, re.MULTILINE))
def test_path_has_the_route_of_the_table(path: str, route: str) -> None:
    """The page's examples are what the exporter does."""
    routes = Routes(SERVICES[0]["shop"]["routes"])
    assert routes.of(routes.without_identifiers(path.partition("?")[0].encode())) == route


@pytest.mark.parametrize("request_line", ["-", r"\x16\x03\x01\x02"])
def test_line_without_a_request_is_unparsed(request_line: str) -> None:
    """The page's lines that are always there."""
    form = format_named("combined")
    line = HEAD.replace("GET /shop/lamps/blue HTTP/1.1", request_line).encode() + b' "-" "-"\n'
    assert [bool(row[0]) for row in form.rows(line, 1)] == [False]
    assert list(form.second_look(line)) == []


def test_every_metric_answers_a_question() -> None:
    """The page's queries have all that the collector shows, and nothing else."""
    asked = set(re.findall(r"nightshift_\w+", PAGE[PAGE.index("## 5") : PAGE.index("## 6")]))
    assert {re.sub(r"_(bucket|count)$", "", name) for name in asked} == {metric.name for metric in Traffic.metrics}


def test_queries_of_the_page_pass_promtool(tmp_path: Path) -> None:
    """Prometheus' own checker reads each of them."""
    queries = re.findall(r"^\| [^|]+\? \| `(.+)` \|$", PAGE, re.MULTILINE)
    rules = [{"record": f"howto:query:{number}", "expr": query} for number, query in enumerate(queries)]
    assert len(rules) == 14
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "howto", "rules": rules}]}))
    checker = [str(binaries.find("promtool")), "check", "rules", str(tmp_path / "rules.yml")]
    done = subprocess.run(checker, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
