"""Makes an unpacked Debian program find its data beside itself instead of in /usr/share/prometheus.

Debian builds Prometheus and Alertmanager to read their web pages and default templates from /usr/share/prometheus;
an Alertmanager without them does not start. The private copy in the cache gets that folder's name replaced by one
of the same length that leads through an open descriptor, and a two-line script opens the descriptor. This needs
neither root nor a mount namespace (which containers forbid), and works from every working directory.
"""

from pathlib import Path

BUILT_IN = b"/usr/share/prometheus/"
# Descriptor 9 is the highest that a POSIX shell can name; repeated slashes count as one.
THROUGH_DESCRIPTOR = b"/proc/self/fd/9/".ljust(len(BUILT_IN), b"/")

_SCRIPT = """\
#!/bin/sh
here="${0%/*}"
exec 9<"$here/../share/prometheus" && exec "$here/../libexec/${0##*/}" "$@"
"""


def relocate(tree: Path) -> None:
    """Rewrites every program below `tree`/usr/bin that has Debian's data folder built in; others stay untouched."""
    if not (tree / "usr/share/prometheus").is_dir():
        return
    for program in sorted((tree / "usr/bin").glob("*")):
        image = program.read_bytes()
        if BUILT_IN in image:
            _wrap(program, image.replace(BUILT_IN, THROUGH_DESCRIPTOR))


def _wrap(program: Path, image: bytes) -> None:
    """Puts the rewritten program into usr/libexec and a script in its old place."""
    mode = program.stat().st_mode & 0o777
    libexec = program.parent.parent / "libexec"
    libexec.mkdir(exist_ok=True)
    real = libexec / program.name
    real.write_bytes(image)
    real.chmod(mode)
    program.write_text(_SCRIPT, encoding="utf-8")
    program.chmod(mode)
