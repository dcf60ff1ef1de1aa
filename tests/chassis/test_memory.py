import gc
import platform

from chassis.memory import one_arena, settled


def test_one_arena_is_taken_by_glibc() -> None:
    """The setting is taken by glibc and another C library is left alone."""
    assert one_arena() == (platform.libc_ver()[0] == "glibc")


def test_settled_leaves_what_is_loaded_out() -> None:
    """The search for garbage looks at what comes later alone."""
    before = gc.get_threshold()
    try:
        settled()
        assert gc.get_freeze_count() > 1000
        assert gc.get_threshold()[0] == 10_000
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
