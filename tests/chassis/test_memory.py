import platform

from chassis.memory import one_arena


def test_one_arena_is_taken_by_glibc() -> None:
    """The setting is taken by glibc and another C library is left alone."""
    assert one_arena() == (platform.libc_ver()[0] == "glibc")
