"""What a prober works with: engine, resolver and the record of this run, and the steps that most probers share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from exporter.families import Family
from exporter.probing import tls
from exporter.probing.attempt import Attempt, ProbeFailed
from exporter.probing.engine import Loop, Task
from exporter.probing.resolving import Resolver, Wish, socket_address
from exporter.probing.streams import Stream
from exporter.probing.tls import TlsConfig


class Run:
    """One run of a probe; *may_follow* tells whether a redirect may lead to a URL."""

    __slots__ = ("attempt", "loop", "may_follow", "resolver")

    def __init__(self, loop: Loop, resolver: Resolver, may_follow: Callable[[str], bool] = lambda _: True) -> None:
        self.loop = loop
        self.resolver = resolver
        self.attempt = Attempt(loop.now())
        self.may_follow = may_follow

    def enter(self, name: str) -> float:
        """Begin the step *name*; monotonic seconds."""
        now = self.loop.now()
        self.attempt.enter(now, name)
        return now

    def note(self, text: str, *values: object) -> None:
        """Keep what happened; *values* go into the {} places of *text*."""
        self.attempt.note(self.loop.now(), text, *values)

    def fail(self, reason: str, text: str, *, by_pattern: bool = False) -> ProbeFailed:
        """The failure to raise; *by_pattern* says that a regular expression of the module decided it."""
        self.attempt.by_pattern = by_pattern
        return ProbeFailed(reason, text)

    def resolve(self, host: str, wish: Wish) -> Task[tuple[int, str]]:
        """The step `resolve`: family and address of *host*.

        Raises:
            ProbeFailed: it has none that is wanted.
        """
        began = self.enter("resolve")
        try:
            family, address = yield from self.resolver.resolve(self.loop, host, wish)
        finally:
            self.attempt.spend("resolve", self.loop.now() - began)
        self.attempt.family, self.attempt.address = family, address
        self.note("address {}", address)
        return family, address

    def connect(self, stream: Stream, address: str, port: int) -> Task[None]:
        """The step `connect`: *stream* to an address and port.

        Raises:
            OSError: nobody there, or no way to there.
        """
        began = self.enter("connect")
        try:
            yield from stream.connect(socket_address(self.attempt.family, address, port))
        finally:
            self.attempt.spend("connect", self.loop.now() - began)

    def secure(self, stream: Stream, config: TlsConfig, name: str) -> Task[None]:
        """The step `tls`: a handshake with a server that must prove to be *name*.

        Raises:
            OSError: it failed.
            ProbeFailed: a file of *config* cannot be used.
        """
        began = self.enter("tls")
        try:
            facts = yield from stream.start_tls(tls.context(config), name)
        finally:
            self.attempt.spend("tls", self.loop.now() - began)
        self.attempt.tls = facts
        self.note("{} with {}, {} certificates", facts.version, facts.cipher, len(facts.chain))


#: Does the work of one module on one target.
Plan = Callable[[Run], Task[None]]


@dataclass(frozen=True, slots=True)
class Prober:
    """A kind of probe.

    Attributes:
        prepare: a target and the prober's options -> its plan; raises ValueError where the target is none.
        families: the metrics that only this prober has, of a run that is over.
        phases: the parts of a run that are timed, in their order.
    """

    prepare: Callable[[str, Any], Plan]
    families: Callable[[Attempt], list[Family]]
    phases: tuple[str, ...]
