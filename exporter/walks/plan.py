"""What journeys with and without a browser have in common: when, how long, with which variables, to which hosts."""

from collections.abc import Iterable, Sequence
from typing import Annotated

import msgspec

from exporter.walks.message import split_url
from exporter.walks.template import NAME

#: More steps are several journeys.
MAX_STEPS = 50
_MAX_NAME = 64
#: A time that is neither too short nor too long to make sense.
Seconds = Annotated[float, msgspec.Meta(ge=0.05, le=86_400)]


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The frame of a journey.

    Attributes:
        base_url: what the paths of the steps are below, e.g. `https://shop.example.org`.
        interval_seconds: from the start of one run to the next; 0 runs only when `/journey` is asked.
        timeout_seconds: bounds the whole run.
        variables: name -> value, for `${name}` in the steps.
        secret_files: name -> file whose content is the value; it is hidden in failures and logs.
        hosts: further hosts that may be asked, `host` or `host:port`; those of the URLs may in any case.
    """

    base_url: str
    interval_seconds: float = 60.0
    timeout_seconds: Seconds = 30.0
    variables: dict[str, str | int | float | bool] = {}
    secret_files: dict[str, str] = {}
    hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        split_url(self.base_url)
        check_seconds("interval_seconds", self.interval_seconds)
        check_names([*self.variables, *self.secret_files])

    def step_names(self) -> tuple[str, ...]:
        """The names of the steps, in their order; each kind of plan has steps of its own."""
        return ()

    def known(self) -> set[str]:
        """The names of the variables that every step has."""
        return {*self.variables, *self.secret_files}


def check_steps(steps: Sequence[str]) -> None:
    """Check the names of the steps, which are labels.

    Raises:
        ValueError: there is none, one too many, one twice, or one that is no good name.
    """
    if not 0 < len(steps) <= MAX_STEPS:
        raise ValueError(f"{len(steps)} steps; write 1 to {MAX_STEPS}")
    for name in steps:
        if not 0 < len(name) <= _MAX_NAME or not name.isprintable():
            raise ValueError(f"the step name {name!r} is empty, not printable or longer than {_MAX_NAME}")
        if steps.count(name) > 1:
            raise ValueError(f"two steps are named {name!r}")


def check_needed(step: str, needed: set[str], known: set[str]) -> None:
    """Check that a step's variables have a value by then.

    Raises:
        ValueError: one has none.
    """
    for name in sorted(needed - known):
        words = ", ".join(sorted(known)) or "none"
        raise ValueError(f"the step {step!r} uses ${{{name}}}, which nothing before it sets (set: {words})")


def check_names(names: Iterable[str]) -> None:
    """Check the names of variables.

    Raises:
        ValueError: one is not made of letters, digits and underscores.
    """
    for name in names:
        if not NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a variable: use letters, digits and underscores")


def check_seconds(name: str, seconds: float) -> None:
    """Check a time that may be 0, which stands for none.

    Raises:
        ValueError: it is too short or too long to make sense.
    """
    if seconds and not 0.05 <= seconds <= 86_400:
        raise ValueError(f"{name} is {seconds:g}; write 0.05 to 86400, or 0")
