"""Which component of a product a source file belongs to, and counts per component, of which there are only so many."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

#: Where the files of further components are counted.
OTHER = "other"
#: Components that are counted apart while a report is read, far more than are shown.
_COUNTED = 5000


@dataclass(frozen=True, slots=True)
class Naming:
    """How files become components.

    Attributes:
        fallback: the component of a file that is in no folder.
        strip: a path prefix that is not part of any component's name.
        depth: how many folders make a component's name.
        named: component -> the path prefixes, after *strip*, that belong to it.
    """

    fallback: str
    strip: str = ""
    depth: int = 1
    named: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def component(self, path: str) -> str:
        """The component of the source file *path*."""
        path = path.replace("\\", "/").removeprefix("./").removeprefix(self.strip).lstrip("/")
        for name, prefixes in self.named.items():
            if path.startswith(tuple(prefixes)):
                return name
        return "/".join(path.split("/")[:-1][: self.depth]) or self.fallback


class LineCounts:
    """Lines and covered lines per component."""

    def __init__(self, naming: Naming) -> None:
        self.counts: dict[str, tuple[int, int]] = {}
        self._naming = naming

    def tally(self, path: str, covered: int, lines: int) -> None:
        """Count a source file; *lines* counts those that can be covered."""
        name = self._naming.component(path)
        if name not in self.counts and len(self.counts) >= _COUNTED:
            name = OTHER
        before = self.counts.get(name, (0, 0))
        self.counts[name] = (before[0] + covered, before[1] + lines)


def largest(counts: Mapping[str, tuple[int, int]], limit: int) -> dict[str, tuple[int, int]]:
    """The *limit* components with the most lines, by name; the rest together as "other". Empty ones are left out."""
    ranked = sorted((name for name in counts if counts[name][1]), key=lambda name: (-counts[name][1], name))
    shown = {name: counts[name] for name in sorted(ranked[:limit])}
    rest = [counts[name] for name in ranked[limit:]]
    if rest:
        covered, lines = shown.get(OTHER, (0, 0))
        shown[OTHER] = (covered + sum(c for c, _ in rest), lines + sum(n for _, n in rest))
    return shown
