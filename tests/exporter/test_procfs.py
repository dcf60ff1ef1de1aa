import contextlib
import errno
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.errors import CollectorError, SourceMalformed, SourceUnavailable
from exporter.sources import procfs
from exporter.sources.procfs import KeptFile

NOTHING = re.compile(r"(?!)")


def test_kept_file_reads_what_is_there_now(tmp_path: Path) -> None:
    """The kept descriptor sees new content without being opened again."""
    path = tmp_path / "stat"
    path.write_text("one")
    file = KeptFile(path)
    assert file.read() == b"one"
    path.write_text("two")
    assert file.read() == b"two"
    file.close()


def test_kept_file_reads_beyond_one_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file larger than one read comes whole."""
    monkeypatch.setattr(procfs, "READ_BYTES", 4)
    (tmp_path / "stat").write_bytes(b"0123456789")
    assert KeptFile(tmp_path / "stat").read() == b"0123456789"


def test_kept_file_missing_is_empty(tmp_path: Path) -> None:
    """A file that this kernel does not have is no data."""
    assert KeptFile(tmp_path / "pressure" / "cpu").read() == b""


def test_kept_file_of_a_feature_that_is_off_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where pressure is compiled in and switched off its files are there and refuse to be read."""

    def refuse(*_: object) -> bytes:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    (tmp_path / "cpu").touch()
    monkeypatch.setattr(procfs.os, "pread", refuse)
    assert KeptFile(tmp_path / "cpu").read() == b""


def test_kept_file_unreadable_raises(tmp_path: Path) -> None:
    """A file that is there and cannot be read is a failure that names it."""
    with pytest.raises(SourceUnavailable, match="cannot be read: Is a directory"):
        KeptFile(tmp_path).read()


def test_parse_stat_gives_seconds_and_counters() -> None:
    """Ticks become seconds; counters keep their first number."""
    stat = procfs.parse_stat(b"cpu  9 9\ncpu0 100 0 50 700 1 2 3 4 5 6\nintr 12 1 2\nctxt 5\n")
    assert stat.cpus == {"0": [1.0, 0.0, 0.5, 7.0, 0.01, 0.02, 0.03, 0.04]}
    assert stat.counters == {"intr": 12, "ctxt": 5}


def test_parse_meminfo_leaves_out_counts() -> None:
    """Fields in kB are bytes; the numbers of huge pages are no amount of memory."""
    assert procfs.parse_meminfo(b"MemTotal:  2 kB\nHugePages_Total:   5\nActive(anon): 1 kB\n") == {
        "MemTotal": 2048,
        "Active(anon)": 1024,
    }


@pytest.mark.parametrize(
    ("fields", "ratio"),
    [
        ({"MemTotal": 100, "MemAvailable": 25}, 0.75),
        ({"MemTotal": 100, "MemFree": 10, "Buffers": 10, "Cached": 30}, 0.5),
        ({"MemTotal": 100, "MemAvailable": 101}, 0.0),
        ({"MemTotal": 100}, None),
        ({}, None),
    ],
)
def test_used_memory_ratio_stays_in_bounds(fields: dict[str, int], ratio: float | None) -> None:
    """Used memory is a ratio, estimated on old kernels, unknown where nothing tells."""
    assert procfs.used_memory_ratio(fields) == ratio


def test_parse_pressure_reads_both_lines() -> None:
    """Microseconds become seconds, by kind."""
    text = b"some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\nfull avg10=0.00 total=2\n"
    assert procfs.parse_pressure(text) == {"some": 1.5, "full": 2e-6}


@pytest.mark.parametrize("number", [b"9" * 400, b"9" * 5000])
def test_parse_stat_with_a_number_too_large_is_malformed(number: bytes) -> None:
    """Ticks that fit no float are an error of the file."""
    with pytest.raises(SourceMalformed, match=r"^stat: "):
        procfs.parse_stat(b"cpu0 1 2 3 4 5 6 7 " + number + b"\n")


def test_parse_pressure_passes_over_a_number_too_large() -> None:
    """What is no number of microseconds says nothing."""
    assert procfs.parse_pressure(b"some total=" + b"9" * 5000 + b"\nfull total=2\n") == {"full": 2e-6}


@pytest.mark.parametrize("number", [b"nan", b"inf", b"-Infinity", b"1e999"])
def test_parse_numbers_takes_finite_ones_only(number: bytes) -> None:
    """The kernel counts; what does not can be no count."""
    with pytest.raises(SourceMalformed, match=r"^file-nr: "):
        procfs.parse_numbers(b"1 " + number, "file-nr")


@pytest.mark.parametrize(
    "parse",
    [
        procfs.parse_stat,
        lambda raw: procfs.parse_numbers(raw, "loadavg"),
        lambda raw: list(procfs.parse_diskstats(raw, NOTHING)),
        lambda raw: list(procfs.parse_net_dev(b"\n\n" + raw, NOTHING)),
    ],
)
def test_parsers_malformed_says_which_file(parse: Callable[[bytes], object]) -> None:
    """What the kernel does not document is an error that names the file."""
    with pytest.raises(SourceMalformed, match=r"^[a-z/]+: "):
        parse(b"cpu0 1 y z 4 5 6 7 8 9 10 11 12 13\n")


@pytest.mark.parametrize("number", ["9" * 400, "9" * 5000])
def test_diskstats_with_a_number_too_large_is_malformed(number: str) -> None:
    """A number that fits no float is an error of the file, too."""
    with pytest.raises(SourceMalformed, match=r"^diskstats: "):
        procfs.parse_diskstats(f"8 0 sda 1 2 3 {number} 5 6 7 8 9 10 11\n".encode(), NOTHING)


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=200))
def test_parsers_raise_nothing_else(raw: bytes) -> None:
    """Whatever bytes come, a parser answers or raises a CollectorError."""
    for parse in (procfs.parse_stat, procfs.parse_meminfo, procfs.parse_pressure):
        with contextlib.suppress(CollectorError):
            assert parse(raw) is not None
