import pytest

from exporter.sources import read_errors
from exporter.sources.read_errors import ReadErrors

DENIED = PermissionError(13, "Permission denied")


def test_tell_counts_and_logs_once_until_it_is_cleared(caplog: pytest.LogCaptureFixture) -> None:
    """The same fault at each look is one fault; after the file could be read it is a new one."""
    errors = ReadErrors()
    for _ in range(3):
        errors.tell("/var/log/a", DENIED)
    errors.clear("/var/log/a")
    errors.tell("/var/log/a", DENIED)
    assert errors.count == len(caplog.records) == 2


def test_tell_another_file_or_fault_is_another_one() -> None:
    """What is wrong elsewhere, or now otherwise, counts."""
    errors = ReadErrors()
    errors.tell("/var/log/a", DENIED)
    errors.tell("/var/log/b", DENIED)
    errors.tell("/var/log/b", OSError(5, "Input/output error"))
    assert errors.count == 3


def test_tell_missing_file_is_no_fault() -> None:
    """Files come and go with rotation."""
    errors = ReadErrors()
    errors.tell("/var/log/a", FileNotFoundError(2, "No such file or directory"))
    assert errors.count == 0


def test_tell_remembers_a_bounded_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ever new names do not fill the memory."""
    monkeypatch.setattr(read_errors, "MAX_TOLD", 3)
    errors = ReadErrors()
    for number in range(10):
        errors.tell(f"/var/log/{number}", DENIED)
    assert len(errors._told) <= 3
