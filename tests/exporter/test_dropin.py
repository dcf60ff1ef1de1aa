import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from demo import binaries
from exporter.collectors.dropin import Config, DropIn
from exporter.exposition import TEXT, render
from tests.exporter.doubles import Clock, Samples, Shown

Dropped = Callable[..., DropIn]
Look = Callable[[DropIn], Samples]


@pytest.fixture
def dropped(tmp_path: Path, clock: Clock) -> Dropped:
    """A collector over files given as text, last written at the clock's time."""

    def make(files: dict[str, str], **keys: float) -> DropIn:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
            os.utime(path, (clock.now, clock.now))
        return DropIn(Config(folders=[str(tmp_path), f"{tmp_path}/*/"], **keys), wall=clock)  # type: ignore[arg-type]

    return make


@pytest.fixture
def look(tmp_path: Path, shown: Shown) -> Look:
    """What a collector shows, with the folder's path cut out of the labels and `nightshift_textfile` of the names."""

    def collect(it: DropIn) -> Samples:
        samples = shown(it.collect())
        return {
            name.replace(f"{tmp_path}/", "").removeprefix("nightshift_textfile_"): value
            for name, value in samples.items()
        }

    return collect


def test_collect_shows_files_and_how_they_did(dropped: Dropped, look: Look) -> None:
    """The samples, and error, time and size per file."""
    it = dropped({"a.prom": 'a{x="1"} 1\n', "sub/b.prom": "b 2\n", "c.txt": "c 1\n"})
    seen = look(it)
    assert (seen['a{x="1"}'], seen["b"]) == (1, 2)
    assert seen['error{file="a.prom"}'] == 0
    assert seen['mtime_timestamp_seconds{file="sub/b.prom"}'] == 1000
    assert seen['series{file="a.prom"}'] == 1
    assert "c" not in seen


def test_collect_broken_file_costs_itself_only(dropped: Dropped, look: Look) -> None:
    """A half file, a FIFO and a file with timestamps are counted, the rest is shown."""
    it = dropped({"half.prom": "a 1\nb", "good.prom": "c 1\n", "time.prom": "d 1 1600000000\n"})
    os.mkfifo(Path(it._config.folders[0]) / "pipe.prom")
    seen = look(it)
    assert [seen[f'error{{file="{name}.prom"}}'] for name in ("good", "half", "pipe", "time")] == [0, 1, 1, 1]
    assert seen['files{state="failed"}'] == 3
    assert seen["c"] == 1
    assert not {"a", "b", "d"} & set(seen)


def test_collect_stale_file_is_left_out_and_counted(dropped: Dropped, look: Look, clock: Clock) -> None:
    """A script that no longer runs leaves its time, not its values."""
    it = dropped({"a.prom": "a 1\n"}, max_age_seconds=60)
    clock.now += 60
    assert look(it)["a"] == 1
    clock.now += 1
    seen = look(it)
    assert "a" not in seen
    assert (seen['files{state="stale"}'], seen['error{file="a.prom"}']) == (1, 0)
    assert seen['mtime_timestamp_seconds{file="a.prom"}'] == 1000


def test_collect_counts_what_it_drops_at_each_scrape(
    dropped: Dropped, look: Look, caplog: pytest.LogCaptureFixture
) -> None:
    """The counters grow as long as something is missing; the log tells it once."""
    it = dropped({"a.prom": "# TYPE a gauge\na 1\na 2\n", "b.prom": "a 3\nnightshift_build_info 1\n"})
    look(it)
    seen = look(it)
    assert seen["a"] == 1
    assert seen['families_dropped_total{reason="type"}'] == 2
    assert seen['families_dropped_total{reason="reserved"}'] == 2
    assert seen['families_dropped_total{reason="clash"}'] == 0
    assert seen["series_dropped_total"] == 2
    assert caplog.text.count("an earlier file has the name with another TYPE") == 1


def test_collect_past_the_bound_of_series_leaves_out_whole_files(dropped: Dropped, look: Look) -> None:
    """The file with which the bound is passed is an error; a smaller one behind it still fits."""
    it = dropped({"a.prom": "a 1\n", "b.prom": "b1 1\nb2 1\n", "c.prom": "c 1\n"}, max_series=2)
    seen = look(it)
    assert ("a" in seen, "b1" in seen, "c" in seen) == (True, False, True)
    assert seen['error{file="b.prom"}'] == 1


def test_collect_past_the_bound_of_files_looks_at_none(dropped: Dropped, look: Look) -> None:
    """A folder full of files cannot fill the memory."""
    seen = look(dropped({"a.prom": "a 1\n", "b.prom": "b 1\n"}, max_files=1))
    assert ("a" in seen, "b" in seen) == (True, False)
    assert seen['files{state="left_out"}'] == 1


def test_collect_missing_folder_is_an_error_of_that_folder(tmp_path: Path, shown: Shown) -> None:
    """The other folders are shown."""
    (tmp_path / "a.prom").write_text("a 1\n")
    seen = shown(DropIn(Config(folders=[f"{tmp_path}/none", str(tmp_path)])).collect())
    assert seen["a"] == 1
    assert seen[f'nightshift_textfile_error{{file="{tmp_path}/none"}}'] == 1


def test_collect_wrong_pattern_is_an_error_of_that_pattern(
    tmp_path: Path, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It costs no other folder."""

    def refuse(*_: object) -> list[Path]:
        raise ValueError("no pattern")

    monkeypatch.setattr(Path, "glob", refuse)
    (tmp_path / "a.prom").write_text("a 1\n")
    found = shown(DropIn(Config(folders=["/**x", str(tmp_path)])).collect())
    assert (found['nightshift_textfile_error{file="/**x"}'], found["a"]) == (1, 1)


def test_collect_forgets_files_that_are_gone(dropped: Dropped, look: Look, tmp_path: Path) -> None:
    """What has vanished from the folder vanishes from the exposition and from memory."""
    it = dropped({"a.prom": "a 1\n", "b.prom": "b 1\n"})
    look(it)
    (tmp_path / "a.prom").unlink()
    assert "a" not in look(it)
    assert list(it._files) == [tmp_path / "b.prom"]


FULL = """# HELP job_seconds How long a job took.
# TYPE job_seconds histogram
job_seconds_bucket{le="1"} 2
job_seconds_bucket{le="+Inf"} 3
job_seconds_sum 4.5
job_seconds_count 3
# HELP wait_seconds How long a job waited.
# TYPE wait_seconds summary
wait_seconds{quantile="0.5"} NaN
wait_seconds_sum 4.5
wait_seconds_count 3
# HELP jobs_total Jobs.
# TYPE jobs_total counter
jobs_total{path="C:\\\\a \\"b\\"",name="é"} 3
"""


@pytest.mark.acceptance
def test_collect_is_clean_for_promtool(dropped: Dropped) -> None:
    """Prometheus' own linter has nothing to say about clean files."""
    exposition = render(dropped({"a.prom": FULL, "b.prom": "jobs_failed 3\n"}).collect(), TEXT)
    promtool = [str(binaries.find("promtool")), "check", "metrics"]
    checked = subprocess.run(promtool, input=exposition, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")
