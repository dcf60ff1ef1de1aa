import os
from pathlib import Path

import pytest

from chassis.secret_files import SecretUnusable, read_secret


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A proper secret file."""
    file = tmp_path / "secret"
    file.write_text("  hunter2\n", encoding="ascii")
    file.chmod(0o640)
    return file


def test_read_secret_gives_the_text_without_line_end(file: Path) -> None:
    """Editors end files with a line end, which is no part of the secret."""
    assert read_secret(str(file)) == "hunter2"


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o666])
def test_read_secret_open_to_everybody_is_refused(file: Path, mode: int) -> None:
    """What everybody can read or write is no secret; the remedy is in the message, the secret is not."""
    file.chmod(mode)
    with pytest.raises(SecretUnusable, match="is open to everybody; chmod o-rwx it") as caught:
        read_secret(str(file))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"), [(b"", "empty"), (b" \n", "empty"), (b"x" * 70_000, "too large"), (b"\xff", "UTF-8")]
)
def test_read_secret_unusable_content_is_refused(file: Path, content: bytes, words: str) -> None:
    """Nothing, too much, or no text."""
    file.write_bytes(content)
    with pytest.raises(SecretUnusable, match=words):
        read_secret(str(file))


def test_read_secret_of_gigabytes_is_refused_without_reading_it(file: Path) -> None:
    """A path that names a disk image by mistake costs no memory."""
    os.truncate(file, 1 << 40)
    with pytest.raises(SecretUnusable, match="too large"):
        read_secret(str(file))


def test_read_secret_missing_or_no_file_is_refused(tmp_path: Path) -> None:
    """The message names the path."""
    with pytest.raises(SecretUnusable, match="none cannot be read: No such file"):
        read_secret(str(tmp_path / "none"))
    tmp_path.chmod(0o700)
    with pytest.raises(SecretUnusable, match="no file"):
        read_secret(str(tmp_path))
