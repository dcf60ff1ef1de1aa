"""An attacker inside a root, as a process of its own."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

#: Exchanges two names for ever: renameat2 with RENAME_EXCHANGE, which is atomic.
SWAPPER = """
import ctypes, sys
swap = ctypes.CDLL(None, use_errno=True).renameat2
one, two = sys.argv[1].encode(), sys.argv[2].encode()
print("ready", flush=True)
while True:
    swap(-100, one, -100, two, 2)
"""


@contextlib.contextmanager
def swapping(one: Path, two: Path) -> Iterator[None]:
    """Both names change places all the time."""
    attacker = subprocess.Popen([sys.executable, "-S", "-c", SWAPPER, one, two], stdout=subprocess.PIPE)
    try:
        assert attacker.stdout
        assert attacker.stdout.readline() == b"ready\n"
        yield
    finally:
        attacker.kill()
        attacker.communicate()
