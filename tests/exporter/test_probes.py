import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from chassis.config_file import ConfigInvalid, decode
from exporter.collectors.probes import Config, Probes
from exporter.exposition import TEXT, render
from tests.exporter.doubles import Samples, Shown, Site, Until

OK = (200, b"ok")


@pytest.fixture
def start(site: Site) -> Iterator[object]:
    """Starts collectors with a configuration as YAML gives it, and ends them."""
    del site
    started: list[Probes] = []

    def begin(section: dict[str, object]) -> Probes:
        started.append(Probes(msgspec.convert(section, Config)))
        return started[-1]

    yield begin
    for one in started:
        one.close()


def ran(probes: Probes, shown: Shown, until: Until, name: str) -> Samples:
    """The samples once there is one that begins with *name*."""
    until(lambda: any(series.startswith(name) for series in shown(probes.collect())))
    return shown(probes.collect())


def test_collect_shows_the_last_run_of_every_target(start: type, site: Site, shown: Shown, until: Until) -> None:
    """Up, phases, status and counts of a target that answers and of one that does not."""
    site.answers["/"] = OK
    good, bad = f"{site.url}/", f"{site.url}/missing"
    probes = start({"targets": [{"targets": [good, bad], "interval": 1}]})
    ran(probes, shown, until, f'nightshift_probe_up{{target="{good}"')
    samples = ran(probes, shown, until, f'nightshift_probe_up{{target="{bad}"')
    labels = f'{{target="{bad}",module="http_2xx"}}'
    assert samples[f'nightshift_probe_up{{target="{good}",module="http_2xx"}}'] == 1
    assert (samples[f"nightshift_probe_up{labels}"], samples[f"nightshift_probe_http_status{labels}"]) == (0, 404)
    assert samples[f"nightshift_probe_runs_total{labels}"] == samples[f"nightshift_probe_failures_total{labels}"] >= 1
    assert samples[f'nightshift_probe_failure_reason_info{{target="{bad}",module="http_2xx",reason="status"}}'] == 1


def test_collect_counts_begin_at_zero(start: type, shown: Shown) -> None:
    """A module on the schedule has a 0 for every reason before anything failed."""
    samples = shown(start({"targets": [{"targets": ["http://127.0.0.1:1/"]}], "interval": 3600}).collect())
    assert samples['nightshift_probe_failures_by_reason_total{module="http_2xx",reason="timeout"}'] == 0
    assert samples["nightshift_probe_targets"] == 1


def test_collect_empty_section_serves_probe_alone(start: type, site: Site, shown: Shown) -> None:
    """`probes: {}` probes nothing by itself and answers /probe with the built-in modules."""
    site.answers["/"] = OK
    probes = start({})
    answer = probes.routes()["/probe"].answer({"QUERY_STRING": f"target={site.url}/"})
    assert b"\nprobe_success 1\n" in answer.body
    samples = shown(probes.collect())
    assert samples['nightshift_probe_requests_total{module="http_2xx"}'] == 1
    assert samples["nightshift_probe_targets"] == 0


def test_files_add_and_remove_targets(start: type, site: Site, shown: Shown, until: Until, tmp_path: Path) -> None:
    """A changed file counts without a restart; what it cannot mean is counted."""
    file = tmp_path / "targets.json"
    file.write_text(json.dumps([{"targets": [f"{site.url}/a", "ftp://x"]}]))
    section = {"file_sd": [{"files": [str(file)]}], "interval": 0.5, "refresh_interval": 0.1}
    probes = start(section)
    samples = ran(probes, shown, until, f'nightshift_probe_up{{target="{site.url}/a"')
    assert samples["nightshift_probe_targets_invalid"] == 1
    file.write_text(json.dumps([{"targets": [f"{site.url}/b"]}]))
    samples = ran(probes, shown, until, f'nightshift_probe_up{{target="{site.url}/b"')
    assert not any(f'{site.url}/a"' in series for series in samples)


def test_page_keeps_failures_that_successes_followed(start: type, site: Site, shown: Shown, until: Until) -> None:
    """What failed in the night is still there after a hundred successes; JSON and page say the same."""
    probes = start({"targets": [{"targets": [f"{site.url}/"], "interval": 1}]})
    ran(probes, shown, until, "nightshift_probe_failure_reason_info")
    site.answers["/"] = OK
    until(lambda: shown(probes.collect())[f'nightshift_probe_up{{target="{site.url}/",module="http_2xx"}}'] == 1)
    answer = probes.routes()["/probes"].answer({})
    row = json.loads(answer.body)["targets"][0]
    assert (row["state"], row["failures"][0]["reason"]) == ("up", "status")
    page = probes.routes()["/probes"].answer({"HTTP_ACCEPT": "text/html"})
    assert b"HTTP 404, wanted is 2xx" in page.body


def test_page_has_failures_of_probe_too(start: type) -> None:
    """What /probe was asked for and failed is kept beside the schedule's."""
    probes = start({})
    probes.routes()["/probe"].answer({"QUERY_STRING": "target=http://127.0.0.1:1/"})
    (row,) = json.loads(probes.routes()["/probes"].answer({}).body)["targets"]
    assert (row["target"], row["state"], row["failures"][0]["reason"]) == ("http://127.0.0.1:1/", "asked", "refused")


def test_collect_keeps_its_layout_while_targets_stay(start: type, site: Site, shown: Shown, until: Until) -> None:
    """1,000 targets are not laid out anew at every scrape."""
    probes = start({"targets": [{"targets": [f"{site.url}/"], "interval": 1}]})
    ran(probes, shown, until, "nightshift_probe_up")
    layout = probes._layout
    render(probes.collect(), TEXT)
    assert probes._layout is layout


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"targets": [{"targets": ["ftp://x"]}]}, "no http or https URL"),
        ({"targets": [{"targets": ["http://x/"], "module": "http2xx"}]}, 'did you mean "http_2xx"'),
        ({"allow_targets": ["("]}, "no regular expression"),
        ({"allow_targets": ["(" * 5000]}, "no regular expression"),
        ({"max_running": 0}, "max_running: is 0; write 1 to 10000"),
        ({"interval": "often"}, "no duration"),
        ({"modules": {"m": {"prober": "http", "http": {"method": "STEAL"}}}}, "invalid enum value"),
        ({"file_sd": [{"files": ["targets.txt"]}]}, "ends in"),
    ],
)
def test_config_refuses_what_cannot_be_meant(section: dict[str, object], message: str) -> None:
    """Every mistake is found when the configuration is read, and named."""
    with pytest.raises(ConfigInvalid, match=message):
        decode(section, Config, "exporter.yml")
