"""Keeps a threaded daemon small.

glibc gives threads memory arenas of their own, up to eight a core, and hardly ever gives them back; with one arena the
alert handler was measured 2 MB smaller. Python's own lock makes the arenas' parallelism worthless anyway.
"""

import ctypes

#: `M_ARENA_MAX` of glibc's malloc.h.
_M_ARENA_MAX = -8


def one_arena() -> bool:
    """Have malloc use one arena from now on; False where the C library knows no such thing (musl)."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and mallopt(_M_ARENA_MAX, 1) == 1
