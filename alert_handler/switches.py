"""The switches that people throw at night: three flags and a kill-switch file, read anew at every question.

A flag comes from the switches file (lines of `NAME=value`, as systemd's EnvironmentFile) or else from the
environment. Unset or empty it is on. What cannot be understood (a file that exists but cannot be read, a word that is
none of true, 1, yes, on, false, 0, no, off) switches acting off: the safe side. Nothing is cached, so a change counts
at the next decision.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

MONITORING = "AUTONOMOUS_MONITORING_ENABLED"
REMEDIATION = "AUTO_REMEDIATION_ENABLED"
PAM = "PAM_INTEGRATION_ENABLED"
NAMES = (MONITORING, REMEDIATION, PAM)

_ON = frozenset({"", "true", "1", "yes", "on"})
_OFF = frozenset({"false", "0", "no", "off"})


class SwitchState(msgspec.Struct, frozen=True):
    """How the switches stand now; `killed` stops every new action."""

    monitoring: bool = True
    remediation: bool = True
    pam: bool = True
    killed: bool = False

    @property
    def may_act(self) -> bool:
        """Whether none of them stops a new action."""
        return self.monitoring and self.remediation and not self.killed


class Switches:
    """Reads the switches; *file* and *kill_file* may be None."""

    def __init__(self, file: Path | None, kill_file: Path | None, environment: Mapping[str, str] = os.environ) -> None:
        self._file = file
        self._kill_file = kill_file
        self._environment = environment

    def read(self) -> SwitchState:
        """How the switches stand now."""
        values = {name: self._environment.get(name, "") for name in NAMES} | self._from_file()
        on = {name: _is_on(name, value) for name, value in values.items()}
        killed = self._kill_file is not None and _may_exist(self._kill_file)
        return SwitchState(on[MONITORING], on[REMEDIATION], on[PAM], killed)

    def _from_file(self) -> dict[str, str]:
        if self._file is None:
            return {}
        try:
            lines = self._file.read_text(encoding="utf-8-sig").splitlines()
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError):
            return dict.fromkeys((MONITORING, REMEDIATION), "off")
        pairs = (line.strip().removeprefix("export ").partition("=") for line in lines)
        return {name.strip(): value for name, _, value in pairs if name.strip() in NAMES}


def _is_on(name: str, value: str) -> bool:
    """Whether a switch with this *value* is on; an unknown word stops acting, but never a way to tell people."""
    word = value.strip().strip("\"'").lower()
    return word not in _OFF if name == PAM else word in _ON


def _may_exist(path: Path) -> bool:
    """Whether *path* exists (also as a link to nowhere), or cannot be looked at."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError):
        return True
    return True
