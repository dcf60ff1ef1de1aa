"""Secrets live in files of their own, which only the handler's user (and its group) may read."""

import stat
from pathlib import Path

_OTHERS = stat.S_IRWXO
_MAX_BYTES = 64 * 1024


class SecretUnusable(ValueError):
    """A secret file cannot be used; the message names the file and the remedy, never its content."""


def read_secret(path: str) -> str:
    """The text in the secret file *path*, without the white space around it.

    Raises:
        SecretUnusable: it cannot be read, is open to everybody, empty, too large or no text.
    """
    file = Path(path)
    try:
        mode = file.stat().st_mode
        content = _beginning(file) if stat.S_ISREG(mode) else b""
    except OSError as error:
        raise SecretUnusable(f"the secret file {path} cannot be read: {error.strerror}") from error
    if mode & _OTHERS:
        raise SecretUnusable(f"the secret file {path} is open to everybody; chmod o-rwx it")
    if not content.strip() or len(content) > _MAX_BYTES:
        raise SecretUnusable(f"the secret file {path} is empty, too large or no file")
    try:
        return content.decode().strip()
    except UnicodeDecodeError:
        raise SecretUnusable(f"the secret file {path} is no UTF-8 text") from None


def _beginning(file: Path) -> bytes:
    """All of a secret, and of a larger file as much as shows that it is none."""
    with file.open("rb") as opened:
        return opened.read(_MAX_BYTES + 1)
