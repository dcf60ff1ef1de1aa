from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.errors import CollectorError, SourceMalformed, SourceUnavailable
from exporter.sources.deploy_file import MAX_BYTES, parse_time, read_release

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def read(folder: Path, text: str | bytes) -> tuple[str, str, float]:
    """What a file with this text says."""
    path = folder / "release"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_release(str(path))


@pytest.mark.parametrize(
    "text",
    [
        f'{{"version": "1.10", "commit": "{COMMIT}", "time": 1700000000, "more": {{"a": [1]}}}}',
        f'{{"tag": "1.10", "git_sha": "{COMMIT}", "deployed_at": "2023-11-14T22:13:20Z"}}',
        f"version: 1.10\ncommit: {COMMIT}\ntime: 2023-11-14T22:13:20Z\nmore: [1]\n",
        f"Version: '1.10'\nREVISION: {COMMIT}\ntimestamp: 1700000000\n",
        f"VERSION=1.10\nexport COMMIT='{COMMIT}'\nTIME=\"2023-11-14T23:13:20+01:00\"\n",
    ],
)
def test_read_release_formats(tmp_path: Path, text: str) -> None:
    """JSON, YAML and KEY=VALUE say the same, and 1.10 is not the number 1.1."""
    assert read(tmp_path, text) == ("1.10", COMMIT, 1_700_000_000.0)


@pytest.mark.parametrize(
    ("text", "version", "commit"),
    [("v1.2.3\n", "v1.2.3", ""), (f"{COMMIT}\n", COMMIT[:12], COMMIT), ("2024", "2024", ""), ("1.10", "1.10", "")],
)
def test_read_release_one_word(tmp_path: Path, text: str, version: str, commit: str) -> None:
    """A file may be a version or a commit and nothing else; its own time stands in."""
    found = read(tmp_path, text)
    assert found == (version, commit, pytest.approx((tmp_path / "release").stat().st_mtime))


@pytest.mark.parametrize(
    "text",
    ["", "\n", "{}", "[1, 2]", "x" * 101, "a: b", "version: [1]", "version: 1\ncommit: nonsense", "a: &a [*a]",
     "version: 1\ntime: tomorrow", "key: {unclosed", "[" * 5000, "\x00\x01"],
)  # fmt: skip
def test_read_release_refuses(tmp_path: Path, text: str) -> None:
    """A file that names no version is told, and does not become a label."""
    with pytest.raises(SourceMalformed):
        read(tmp_path, text)


def test_read_release_bounds_the_size(tmp_path: Path) -> None:
    """A log in the place of a release file is not read."""
    with pytest.raises(SourceUnavailable, match="larger than"):
        read(tmp_path, b"x" * (MAX_BYTES + 1))


@pytest.mark.parametrize("text", ["", "-1", "1e300", "nan", "9" * 400, "2023-13-01", "1969-01-01T00:00:00Z", "\u0661"])
def test_parse_time_refuses(text: str) -> None:
    """No time before 1970, none that no clock shows."""
    with pytest.raises(SourceMalformed, match="is no time"):
        parse_time(text)


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_read_release_survives_anything(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever lies there, it is a version that fits a label or a failure that is told."""
    try:
        assert 0 < len(read(tmp_path_factory.getbasetemp(), content)[0]) <= 100
    except CollectorError as error:
        assert str(error)  # noqa: PT017 -- both ends are good
