"""What a remediation kind is: the contract that every file in `remediations/` keeps.

`plan` looks and promises, changes nothing and is what people are shown as the dry run; `run` does exactly that plan,
within its deadline. Parameters come from a playbook, declared targets from the configuration: an alert's labels can
only choose among what was declared.
"""

from pathlib import Path
from typing import ClassVar, Protocol

import msgspec

from alert_handler.model import Outcome, Plan, Risk


class Limits(msgspec.Struct, frozen=True):
    """What a run may use: seconds until its whole process group is killed, and its lock file.

    Child processes inherit the open, locked `lock_file`; as long as one of them lives the lock is held, which is how
    a restarted handler sees that an action of its predecessor still runs.
    """

    deadline_seconds: float
    lock_file: Path


class Remediation(Protocol):
    """One kind of remediation; built once from its section of the configuration."""

    #: May it be repeated when nobody knows how its last run ended?
    idempotent: ClassVar[bool]
    risk: ClassVar[Risk]
    #: Parameters in a playbook; a string field may hold `{label}` placeholders, filled in before `plan`.
    Params: ClassVar[type[msgspec.Struct]]
    #: Its section under `remediations:` in the configuration, all fields with defaults.
    Config: ClassVar[type[msgspec.Struct]]

    def plan(self, params: msgspec.Struct) -> Plan:
        """What would be done, sealed.

        Raises:
            RemediationRefused: the target is not declared, or there is nothing to do safely.
        """
        ...

    def run(self, plan: Plan, limits: Limits) -> Outcome:
        """Do exactly *plan*; whatever goes wrong is an `Outcome`, never an exception."""
        ...
