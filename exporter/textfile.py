"""An exposition as a file, for node_exporter's textfile collector or a web server."""

import tempfile
from pathlib import Path


def write_atomically(path: Path, content: bytes) -> None:
    """Replace *path* by a file with *content*, readable for all; a reader sees the old or the new one whole.

    Raises:
        OSError: the folder is missing or full, or *path* is no file; nothing is left behind.
    """
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        written = Path(file.name)
        try:
            file.write(content)
            file.flush()
            written.chmod(0o644)
            written.replace(path)
        except OSError:
            written.unlink()
            raise
