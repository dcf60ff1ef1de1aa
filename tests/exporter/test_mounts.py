import os
import threading

import pytest

from exporter.sources import mounts
from exporter.sources.mounts import Mount, Space, may_wait, parse

ROOT = Mount("/dev/a", "/", "ext4", readonly=False)
DEAD = Mount("nas:/x", "/srv/nas", "nfs4", readonly=False)
LAST = Mount("/dev/b", "/srv/b", "ext4", readonly=False)
ANSWER = os.statvfs_result((4096, 4096, 10, 5, 5, 9, 9, 9, 0, 255))


def test_parse_resolves_octal_escapes() -> None:
    """A blank, tab or backslash in a mountpoint is written as octal by the kernel."""
    mount = mounts.parse(rb"/dev/vdb /srv/My\040Files\134x xfs ro,relatime 0 0")[0]
    assert (mount.mountpoint, mount.fstype, mount.readonly) == ("/srv/My Files\\x", "xfs", True)


def test_parse_keeps_the_mount_on_top() -> None:
    """Of two mounts at one place the later one is seen."""
    found = mounts.parse(b"/dev/a /srv ext4 rw 0 0\n/dev/b /srv xfs rw 0 0\n")
    assert [mount.device for mount in found] == ["/dev/b"]


def test_parse_survives_nonsense() -> None:
    """Lines that are no mounts are passed over, undecodable names are kept as they are."""
    found = mounts.parse(b"\n\nx\n/dev/a /srv/\xff ext4 rw 0 0\n/dev/b /\\777 ext4 rw 0 0\n")
    assert [os.fsencode(mount.mountpoint) for mount in found] == [b"/srv/\xff", b"/\xff"]


def test_space_asks_below_its_root() -> None:
    """In a container the mounts of the host are asked through the folder that shows them."""
    asked = []
    Space("/host/", lambda path: asked.append(path) or ANSWER).ask([ROOT, LAST])
    assert asked == ["/host/", "/host/srv/b"]


def test_space_forbidden_mount_is_missing() -> None:
    """A mount that may not be asked costs only itself."""

    def statvfs(path: str) -> os.statvfs_result:
        if path == "/srv/nas":
            raise PermissionError(path)
        return ANSWER

    assert list(Space(statvfs=statvfs).ask([DEAD, LAST])) == ["/srv/b"]


def test_space_leave_out_nothing_when_nothing_is_asked() -> None:
    """A collector that is slow for another reason is not told to leave out a mount."""
    assert not Space().leave_out()


def test_space_goes_on_without_a_stuck_mount() -> None:
    """A mount that blocks is left out by later calls until its call has returned, then asked again."""
    let_go, entered = threading.Event(), threading.Event()

    def statvfs(path: str) -> os.statvfs_result:
        if path == "/srv/nas":
            entered.set()
            let_go.wait()
        return ANSWER

    space = Space(statvfs=statvfs)
    lost = threading.Thread(target=space.ask, args=([DEAD, LAST],))
    lost.start()
    entered.wait(10)
    assert space.leave_out()
    assert not space.leave_out()
    assert list(space.ask([DEAD, LAST])) == ["/srv/b"]
    let_go.set()
    lost.join(10)
    assert space.stuck == frozenset()
    assert list(space.ask([DEAD, LAST])) == ["/srv/nas", "/srv/b"]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("/dev/a / ext4 rw 0 0\n/dev/b /srv xfs rw 0 0\n", False),
        ("/dev/a / ext4 rw 0 0\nnas:/x /srv nfs4 rw 0 0\n", True),
        ("nas:/x / nfs rw 0 0\n/dev/b /srv ext4 rw 0 0\n", True),
        ("x /srv fuse.unheard-of rw 0 0\n", True),
        ("", False),
    ],
)
def test_may_wait_for_what_a_network_serves_or_lies_below_it(table: str, expected: bool) -> None:  # noqa: FBT001
    """A local file system answers from memory, unless the way to it leads through one that does not."""
    mounted = parse(table.encode())
    assert may_wait(mounted, mounted) is expected


def test_may_wait_not_for_a_network_mount_that_is_left_out() -> None:
    """A neighbour that is not asked blocks nobody."""
    mounted = parse(b"/dev/a / ext4 rw 0 0\nnas:/x /srv nfs4 rw 0 0\n")
    assert not may_wait(mounted[:1], mounted)
