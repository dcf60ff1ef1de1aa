"""The mount table, and the space of each mount asked for without ever waiting for a dead one.

statvfs on a dead network mount blocks for good, in a state no signal ends. So the calls are made in a thread that
may be lost: when one blocks, that mount is marked as stuck, a fresh thread goes on with the mounts behind it, and
the lost thread clears the mark if the call ever returns. There is at most one such thread per stuck mount.
"""

import logging
import os
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from queue import SimpleQueue

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


def _unescape(field_: bytes) -> bytes:
    r"""A field with the kernel's octal escapes resolved: `\040` is a blank."""
    if b"\\" not in field_:
        return field_
    return _ESCAPED.sub(lambda match: bytes([int(match[1], 8) & 0xFF]), field_)


@dataclass(slots=True)
class Survey:
    """One round over all mounts: those still to be asked, and what was found."""

    pending: SimpleQueue[Mount]
    found: dict[str, os.statvfs_result] = field(default_factory=dict)
    asking: Mount | None = None
    done: threading.Event = field(default_factory=threading.Event)


class Surveyor:
    """Asks mounts for their space; *patience* is how long (seconds) one mount may take.

    *statvfs* is the system call, and *root* the folder that the mountpoints are seen below ("/" outside a container).
    """

    def __init__(
        self,
        patience: float,
        root: str = "/",
        statvfs: Callable[[str], os.statvfs_result] = os.statvfs,
    ) -> None:
        self._patience = patience
        self._root = root.rstrip("/")
        self._statvfs = statvfs
        self._orders: SimpleQueue[Survey | None] = SimpleQueue()
        self._stuck: set[str] = set()
        self._lock = threading.Lock()
        self._hire()

    @property
    def stuck(self) -> set[str]:
        """The mountpoints whose call has not returned."""
        return set(self._stuck)

    def start(self, mounts: Iterable[Mount]) -> Survey:
        """Begin to ask every mount that is not stuck; `finish` has the answers."""
        survey = Survey(SimpleQueue())
        for mount in mounts:
            if mount.mountpoint not in self._stuck:
                survey.pending.put(mount)
        self._orders.put(survey)
        return survey

    def finish(self, survey: Survey) -> dict[str, os.statvfs_result]:
        """What the mounts said, by mountpoint; a mount that blocks or is forbidden is missing."""
        while not survey.done.wait(self._patience):
            self._give_up(survey)
        return survey.found

    def _give_up(self, survey: Survey) -> None:
        """Leave the mount that is being asked to its thread and go on with the others in a new one."""
        with self._lock:
            blocked = survey.asking
            if blocked is None:
                return
            self._stuck.add(blocked.mountpoint)
            survey.asking = None
            self._hire()
            self._orders.put(survey)
        event(log, logging.ERROR, "mount hangs: left out until it answers", mountpoint=blocked.mountpoint)

    def close(self) -> None:
        """End the thread; one that is stuck ends when its call returns."""
        self._orders.put(None)

    def _hire(self) -> None:
        threading.Thread(target=self._work, name="statvfs", daemon=True).start()

    def _work(self) -> None:
        while (survey := self._orders.get()) is not None:
            while not survey.pending.empty():
                if not self._ask(survey, survey.pending.get()):
                    return
            survey.done.set()

    def _ask(self, survey: Survey, mount: Mount) -> bool:
        """Ask one mount; False when the call took so long that another thread does this one's work."""
        with self._lock:
            survey.asking = mount
        try:
            answer = self._statvfs(f"{self._root}{mount.mountpoint}" or "/")
        except OSError as error:
            event(log, logging.DEBUG, f"mount cannot be asked: {error}", mountpoint=mount.mountpoint)
            answer = None
        with self._lock:
            if mount.mountpoint in self._stuck:
                self._stuck.discard(mount.mountpoint)
                return False
            survey.asking = None
        if answer is not None:
            survey.found[mount.mountpoint] = answer
        return True
