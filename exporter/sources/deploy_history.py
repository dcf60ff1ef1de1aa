"""Which deployments are known: the present one of each service, how many there were, and the last changes."""

import threading
from collections import deque
from collections.abc import Callable

import msgspec

from exporter.state import StateFile


class Deployment(msgspec.Struct, frozen=True, omit_defaults=True):
    """One change of what runs.

    Attributes:
        service: whose.
        version: what runs since then.
        time: Unix time in seconds.
        commit: empty where it is not known.
        environment: empty where it is not told.
        source: git, file or webhook.
    """

    service: str
    version: str
    time: float
    commit: str = ""
    environment: str = ""
    source: str = ""

    def same(self, other: "Deployment") -> bool:
        """Whether the same thing runs: by commit where both know it."""
        if self.commit and other.commit:
            return self.commit == other.commit
        return self.version == other.version


class _Kept(msgspec.Struct):
    """The content of the state file."""

    current: dict[str, Deployment] = {}
    counts: dict[str, int] = {}
    changes: list[Deployment] = []


class History:
    """Keeps the last *keep* changes of at most *max_services* services in *file*."""

    def __init__(self, file: StateFile, keep: int, max_services: int) -> None:
        self._file = file
        self._max_services = max_services
        self._lock = threading.Lock()
        kept = _decoded(file)
        self._current = kept.current
        self._counts = kept.counts
        self._changes = deque(kept.changes, keep)

    def current(self) -> list[Deployment]:
        """What runs, a deployment per service."""
        with self._lock:
            return list(self._current.values())

    def counts(self) -> dict[str, int]:
        """How many deployments were seen, by service."""
        with self._lock:
            return dict(self._counts)

    def changes(self) -> list[Deployment]:
        """The last changes, the newest first."""
        with self._lock:
            return list(reversed(self._changes))

    def found(self, deployment: Deployment) -> bool:
        """Take note of what was found running; whether it is another than before.

        What is found first was there already: it is no deployment.
        """
        with self._lock:
            before = self._current.get(deployment.service)
            if before and before.same(deployment) and before.version == deployment.version:
                return False
            changed = before is not None and not before.same(deployment)
            self._current[deployment.service] = deployment
            if changed:
                self._count(deployment)
            self._save()
            return changed

    def told(self, deployment: Deployment, *, shown: bool) -> bool:
        """Take note of a deployment that was reported; false where it is known already.

        It is what runs now if *shown*, and unless a later one is known.

        Raises:
            OverflowError: there are too many services.
        """
        with self._lock:
            if deployment in self._changes:
                return False
            service = deployment.service
            if shown:
                if service not in self._current and len(self._current) >= self._max_services:
                    raise OverflowError(f"{self._max_services} services are known already")
                before = self._current.get(service)
                if before is None or before.time <= deployment.time:
                    self._current[service] = deployment
            self._count(deployment, shown=shown)
            self._save()
            return True

    def forget(self, stays: Callable[[Deployment], bool]) -> None:
        """Forget what runs of those services for which *stays* says no."""
        with self._lock:
            self._current = {name: one for name, one in self._current.items() if stays(one)}
            self._counts = {name: count for name, count in self._counts.items() if name in self._current}

    def _count(self, deployment: Deployment, *, shown: bool = True) -> None:
        self._changes.append(deployment)
        if shown:
            self._counts[deployment.service] = self._counts.get(deployment.service, 0) + 1

    def _save(self) -> None:
        self._file.save(msgspec.json.encode(_Kept(self._current, self._counts, list(self._changes))))


def _decoded(file: StateFile) -> _Kept:
    """What was kept; nothing where it is damaged, which is logged."""
    raw = file.load()
    try:
        return _Kept() if raw is None else msgspec.json.decode(raw, type=_Kept)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        file.damaged(error)
        return _Kept()
