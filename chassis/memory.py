"""Keeps a threaded daemon small.

glibc gives threads memory arenas of their own, up to eight a core, and hardly ever gives them back; with one arena the
alert handler was measured 2 MB smaller. Python's own lock makes the arenas' parallelism worthless anyway.
"""

import ctypes
import gc

#: `M_ARENA_MAX` of glibc's malloc.h.
_M_ARENA_MAX = -8
#: `M_MMAP_THRESHOLD`. Left alone, glibc raises it with every large block that is freed, up to 32 MiB, and from then on
#: keeps such blocks: three webhooks of 5 MB and the handler holds 40 MB more for good.
_M_MMAP_THRESHOLD, _LARGE_BYTES = -3, 256 * 1024


def one_arena() -> bool:
    """Have malloc use one arena and give large blocks back, from now on; False where there is no mallopt (musl)."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return all(mallopt(name, value) == 1 for name, value in ((_M_ARENA_MAX, 1), (_M_MMAP_THRESHOLD, _LARGE_BYTES)))


def settled() -> None:
    """Say that what is loaded by now stays: the search for garbage leaves it out, and is made less often.

    Measured: 5 % of the time that a log takes; cycles are rare in the daemons, so little waits for the search.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
