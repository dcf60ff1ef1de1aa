import logging
import os
from pathlib import Path

import pytest

from exporter.errors import SourceUnavailable
from exporter.exposition import OPENMETRICS, TEXT, render
from exporter.sources.drop_files import Admission, DropFile, Offer, listed

GAUGE = "# HELP backup_bytes Size.\n# TYPE backup_bytes gauge\nbackup_bytes 5.0\n"
LONG_AGO = 1000


@pytest.fixture
def drop(tmp_path: Path) -> DropFile:
    """A file that is not there yet, of at most 1000 bytes and 10 series."""
    return DropFile(tmp_path / "backup.prom", 1000, 10)


def put(drop: DropFile, text: str) -> None:
    """Write the file, look at it, and say that this was long ago."""
    drop.path.write_text(text)
    drop.look(drop.path.stat().st_ctime + 10)


def shown(drop: DropFile) -> str:
    """The exposition of the file's families."""
    return render([offer.family for offer in drop.offers if offer.family], TEXT).decode()


def test_look_shows_the_file_as_it_is(drop: DropFile) -> None:
    """Name, help, type and value come through."""
    put(drop, GAUGE)
    assert shown(drop) == GAUGE
    assert (drop.problem, drop.series, drop.repeated) == ("", 1, 0)


def test_look_at_an_unchanged_file_reads_nothing(drop: DropFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that was left alone costs one stat."""
    put(drop, GAUGE)
    monkeypatch.setattr("exporter.sources.regular_files.read", None)
    drop.look(LONG_AGO)
    assert shown(drop) == GAUGE


def test_look_at_a_fresh_file_reads_it_again(drop: DropFile) -> None:
    """Two writings within one tick of the clock have one stamp, so a fresh file is not trusted."""
    drop.path.write_text(GAUGE)
    now = drop.path.stat()
    drop.look(now.st_ctime)
    assert drop._seen is None


def test_look_keeps_a_declaration_until_it_changes(drop: DropFile) -> None:
    """A new value makes no new declaration, a new help text does."""
    put(drop, GAUGE)
    declared = []
    for text in (GAUGE, GAUGE.replace(" 5.0", " 6"), GAUGE.replace("Size", "Bytes")):
        put(drop, text)
        declared.append(drop._metrics["backup_bytes"])
    assert declared[0] is declared[1] is not declared[2]


def test_look_at_wrong_syntax_costs_the_file_and_is_logged_once(
    drop: DropFile, caplog: pytest.LogCaptureFixture
) -> None:
    """File and line are told once; once mended, the file is shown again."""
    caplog.set_level(logging.INFO)
    put(drop, GAUGE + "backup_bytes{ 5\n")
    put(drop, GAUGE + "backup_bytes{ 5\n")
    assert (drop.offers, drop.stamp) == ([], None)
    assert caplog.text.count("backup.prom:4: expected label") == 1
    put(drop, GAUGE)
    assert shown(drop) == GAUGE
    assert "readable again" in caplog.text


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: Path(path).symlink_to("none")])
def test_look_at_what_is_no_file_neither_hangs_nor_raises(drop: DropFile, make: type) -> None:
    """FIFO, folder and dangling link are problems of that name only."""
    make(drop.path)
    drop.look(LONG_AGO)
    assert str(drop.path) in drop.problem


def test_look_at_a_file_without_help_names_it_as_source(drop: DropFile) -> None:
    """Every family has a help text, as node_exporter gives it."""
    put(drop, "a 1.0\n")
    assert shown(drop) == f"# HELP a Metric read from {drop.path}\n# TYPE a untyped\na 1.0\n"


def test_look_at_a_file_whose_name_is_no_text_costs_no_scrape(tmp_path: Path) -> None:
    """A name of any bytes may lie in the folder; it is shown with U+FFFD for what nobody can read."""
    drop = DropFile(tmp_path / os.fsdecode(b"\xff.prom"), 1000, 10)
    put(drop, "a 1\n")
    assert shown(drop) == f"# HELP a Metric read from {tmp_path}/\ufffd.prom\n# TYPE a untyped\na 1.0\n"


def test_look_at_a_counter_without_total_keeps_its_name_in_openmetrics(drop: DropFile) -> None:
    """OpenMetrics knows no such counter; a series may not be called differently in the two formats."""
    put(drop, "# TYPE hits counter\nhits 1\n# TYPE saves_total counter\nsaves_total 2\n")
    families = [offer.family for offer in drop.offers if offer.family]
    text = render(families, OPENMETRICS).decode()
    assert "# TYPE hits unknown\nhits 1.0\n" in text
    assert "# TYPE saves counter\nsaves_total 2.0\n" in text


def test_look_at_a_name_with_a_colon_leaves_the_family_out(drop: DropFile) -> None:
    """The other families of the file are shown."""
    put(drop, "a:b 1\nc 1\n")
    assert [(offer.name, offer.family is None) for offer in drop.offers] == [("a:b", True), ("c", False)]


def test_listed_takes_prom_files_in_order(tmp_path: Path) -> None:
    """Temporary names and other files are not looked at."""
    for name in ("b.prom", "a.prom", "a.prom.tmp", "a.prom.gz", "notes"):
        (tmp_path / name).touch()
    assert listed(tmp_path) == [tmp_path / "a.prom", tmp_path / "b.prom"]


def test_listed_missing_folder_is_named(tmp_path: Path) -> None:
    """A folder that is not there is told apart from an empty one."""
    with pytest.raises(SourceUnavailable, match="none: cannot be listed: No such file"):
        listed(tmp_path / "none")


def offers(tmp_path: Path, *texts: str) -> list[Offer]:
    """What these files offer, one after the other."""
    found: list[Offer] = []
    for number, text in enumerate(texts):
        drop = DropFile(tmp_path / f"{number}.prom", 1000, 10)
        put(drop, text)
        found += drop.offers
    return found


@pytest.mark.parametrize(
    ("texts", "reasons"),
    [
        (("a 1\n", 'a{x="1"} 2\n'), ["", ""]),
        (("# TYPE a gauge\na 1\n", 'a{x="1"} 2\n'), ["", "type"]),
        (("# TYPE a histogram\na_sum 1\n", "a_sum 1\n"), ["", "clash"]),
        (("a_count 1\n", "# TYPE a summary\na_sum 1\n"), ["", "clash"]),
        (("# TYPE a_total counter\na_total 1\n", "# TYPE a gauge\na 1\n"), ["", "clash"]),
        (("nightshift_x 1\n", "process_open_fds 1\n", "process_x 1\n"), ["reserved", "reserved", ""]),
        (("a:b 1\n",), ["invalid_name"]),
    ],
)
def test_admission_refuses_with_a_reason(tmp_path: Path, texts: tuple[str, ...], reasons: list[str]) -> None:
    """A name belongs to the first family that has it; the same family may be spread over files."""
    admission = Admission(frozenset({"process_open_fds"}), "nightshift_")
    assert [admission.take(offer) for offer in offers(tmp_path, *texts)] == reasons


def test_admission_of_a_family_in_many_files_copies_it_once(tmp_path: Path) -> None:
    """A family that each of 500 files has is joined in one go: the scrape waits for it."""
    admission, files = Admission(frozenset(), "x_"), [DropFile(tmp_path / f"{n}.prom", 1000, 10) for n in range(3)]
    joined = []
    for number, drop in enumerate(files):
        put(drop, f'a{{n="{number}"}} 1\n')
        admission.take(drop.offers[0])
        joined.append(admission.families["a"])
    assert joined[1] is joined[2]
    assert [len(drop.offers[0].family.samples) for drop in files if drop.offers[0].family] == [1, 1, 1]


def test_admission_shows_the_first_of_a_series_and_changes_no_file(tmp_path: Path) -> None:
    """Two files' samples stand under the first one's header; what a file offers stays as it was."""
    found = offers(tmp_path, "# HELP a First.\na 1\n", '# HELP a Second.\na 2\na{x="1"} 3\n')
    admission = Admission(frozenset(), "nightshift_")
    for offer in found:
        admission.take(offer)
    text = render(admission.families.values(), TEXT).decode()
    assert text == '# HELP a First.\n# TYPE a untyped\na 1.0\na{x="1"} 3.0\n'
    assert admission.repeated == 1
    assert [len(offer.family.samples) for offer in found if offer.family] == [1, 2]
