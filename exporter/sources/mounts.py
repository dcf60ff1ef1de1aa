"""The mount table, and the space of each mount, with a way out when a mount is dead.

statvfs on a dead network mount blocks for good, in a state no signal ends. Where there is a mount that may
(`may_wait`) the collector runs in a thread of its own; when the call blocks, `leave_out` marks the mount as stuck, a
fresh thread collects without it, and the lost thread clears the mark if the call ever returns.
"""

import logging
import os
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from chassis.logs import event

log = logging.getLogger(__name__)

#: Served over a network: they can hang, and their space is the server's to watch.
NETWORK_TYPES = (
    "9p",
    "afs",
    "ceph",
    "cifs",
    "fuse.glusterfs",
    "fuse.s3fs",
    "fuse.sshfs",
    "gfs2",
    "glusterfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "ocfs2",
    "smb3",
    "smbfs",
    "virtiofs",
)
#: Have no space of their own.
PSEUDO_TYPES = (
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fuse.lxcfs",
    "fusectl",
    "hugetlbfs",
    "iso9660",
    "mqueue",
    "nsfs",
    "proc",
    "pstore",
    "ramfs",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "squashfs",
    "sysfs",
    "tracefs",
)

#: Answer statvfs from memory, whatever their disk does.
LOCAL_TYPES = frozenset(
    {"btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "overlay", "ramfs", "tmpfs", "vfat", "xfs", "zfs"}
)

_ESCAPED = re.compile(rb"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted file system, as the kernel's table names it."""

    device: str
    mountpoint: str
    fstype: str
    readonly: bool


def parse(raw: bytes) -> list[Mount]:
    """The mounts of /proc/mounts, the last one for each mountpoint (it hides those below it)."""
    mounts = {}
    for line in raw.splitlines():
        fields = line.split(b" ")
        if len(fields) >= 4:
            device, mountpoint, fstype = (os.fsdecode(_unescape(part)) for part in fields[:3])
            mounts[mountpoint] = Mount(device, mountpoint, fstype, b"ro" in fields[3].split(b","))
    return list(mounts.values())


def may_wait(asked: Iterable[Mount], mounted: Iterable[Mount]) -> bool:
    """Whether to ask the mounts *asked* can block, by their own type or that of one on the way to them."""
    slow = tuple(f"{m.mountpoint.rstrip('/')}/" for m in mounted if m.fstype not in (*LOCAL_TYPES, *PSEUDO_TYPES))
    return any(f"{mount.mountpoint.rstrip('/')}/".startswith(slow) for mount in asked)


def _unescape(field: bytes) -> bytes:
    r"""A field with the kernel's octal escapes resolved: `\040` is a blank."""
    if b"\\" not in field:
        return field
    return _ESCAPED.sub(lambda match: bytes([int(match[1], 8) & 0xFF]), field)


class Space:
    """Asks mounts for their space; *statvfs* is the system call.

    *root* is the folder that the mountpoints are seen below ("/" outside a container).
    """

    def __init__(self, root: str = "/", statvfs: Callable[[str], os.statvfs_result] = os.statvfs) -> None:
        self._root = root.rstrip("/")
        self._statvfs = statvfs
        self._asking = ""
        self._stuck: set[str] = set()
        self._lock = threading.Lock()

    @property
    def stuck(self) -> frozenset[str]:
        """The mountpoints whose call has not returned."""
        return frozenset(self._stuck)

    def ask(self, mounts: Iterable[Mount]) -> dict[str, os.statvfs_result]:
        """What the mounts say, by mountpoint; one that is stuck or forbidden is missing."""
        found = {}
        for mount in mounts:
            if mount.mountpoint in self._stuck:
                continue
            self._asking = mount.mountpoint
            try:
                found[mount.mountpoint] = self._statvfs(self._root + mount.mountpoint)
            except OSError as error:
                event(log, logging.DEBUG, f"mount cannot be asked: {error}", mountpoint=mount.mountpoint)
            if self._was_left_out(mount.mountpoint):
                break  # what this thread would ask from here on is another's work by now
        return found

    def _was_left_out(self, mountpoint: str) -> bool:
        """Whether the call that has just returned was given up meanwhile; if so, the mount is no longer stuck."""
        with self._lock:
            if self._asking == mountpoint:
                self._asking = ""
            stuck = mountpoint in self._stuck
            self._stuck.discard(mountpoint)
            return stuck

    def leave_out(self) -> bool:
        """Mark the mount that is being asked as stuck; False when none is."""
        with self._lock:
            blocked, self._asking = self._asking, ""
            if blocked:
                self._stuck.add(blocked)
        if blocked:
            event(log, logging.ERROR, "mount hangs: left out until it answers", mountpoint=blocked)
        return bool(blocked)
