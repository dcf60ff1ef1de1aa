from pathlib import Path

import pytest

from alert_handler.switches import MONITORING, PAM, REMEDIATION, Switches, SwitchState


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The switches file, not there yet."""
    return tmp_path / "switches"


def read(file: Path | None = None, kill_file: Path | None = None, **environment: str) -> SwitchState:
    """How the switches stand."""
    return Switches(file, kill_file, environment).read()


def test_everything_is_on_unless_something_says_otherwise(file: Path) -> None:
    """No file, no variable, no kill file."""
    assert read(file, file.with_name("kill")) == SwitchState(monitoring=True, remediation=True, pam=True, killed=False)


@pytest.mark.parametrize("word", ["false", "0", "no", "off", "FALSE", " Off ", '"false"', "'no'"])
def test_off_words_switch_off(file: Path, word: str) -> None:
    """In the environment and in the file, in any spelling."""
    off = SwitchState(monitoring=False, remediation=False, pam=False)
    assert read(None, None, **{MONITORING: word, REMEDIATION: word, PAM: word}) == off
    file.write_text("\n".join(f"{name}={word}" for name in (MONITORING, REMEDIATION, PAM)))
    assert read(file) == off


@pytest.mark.parametrize("word", ["true", "1", "yes", "on", "TRUE", ""])
def test_on_words_switch_on(word: str) -> None:
    """An empty value is as good as none."""
    assert read(None, None, **{MONITORING: word, REMEDIATION: word, PAM: word}) == SwitchState()


@pytest.mark.parametrize("word", ["fasle", "disabled", "false # for tonight", "nope", "aus"])
def test_word_that_nobody_knows_stops_acting_but_never_telling(word: str) -> None:
    """A typing error at night must not leave the machine acting."""
    state = read(None, None, **{MONITORING: word, REMEDIATION: word, PAM: word})
    assert (state.monitoring, state.remediation, state.pam) == (False, False, True)


def test_file_goes_before_the_environment(file: Path) -> None:
    """The file is what can be changed while the process runs."""
    file.write_text(f"# at night\n\nexport {REMEDIATION}=false\nOTHER=1\n{MONITORING}\n")
    state = read(file, None, **{REMEDIATION: "true"})
    assert state == SwitchState(remediation=False)


def test_file_with_a_byte_order_mark_is_read(file: Path) -> None:
    """Some editors write one."""
    file.write_text(f"\ufeff{REMEDIATION}=off\r\n")
    assert read(file).remediation is False


def test_change_counts_at_once(file: Path) -> None:
    """Nothing is kept from the last look."""
    switches = Switches(file, file.with_name("kill"), {})
    assert switches.read() == SwitchState()
    file.write_text(f"{MONITORING}=off")
    file.with_name("kill").touch()
    assert switches.read() == SwitchState(monitoring=False, killed=True)
    file.unlink()
    file.with_name("kill").unlink()
    assert switches.read() == SwitchState()


def test_file_that_cannot_be_read_stops_acting(file: Path) -> None:
    """A folder in its place, or bytes that are no text."""
    file.write_bytes(b"\xff\xfe\x00")
    assert read(file).remediation is False
    file.unlink()
    file.mkdir()
    assert (read(file).monitoring, read(file).remediation) == (False, False)


def test_kill_file_of_any_kind_kills(tmp_path: Path) -> None:
    """A folder or a link to nowhere exists too."""
    kill = tmp_path / "kill"
    kill.mkdir()
    assert read(None, kill).killed
    kill.rmdir()
    kill.symlink_to(tmp_path / "nowhere")
    assert read(None, kill).killed


def test_kill_file_that_cannot_be_looked_at_kills(tmp_path: Path) -> None:
    """A loop of links, or a name that is too long: when in doubt nothing is started."""
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert read(None, loop / "kill").killed
    assert read(None, tmp_path / ("x" * 300)).killed
    assert read(None, Path("\0")).killed


def test_kill_file_below_a_plain_file_cannot_exist(tmp_path: Path) -> None:
    """That is certain, so nothing is killed."""
    (tmp_path / "file").touch()
    assert not read(None, tmp_path / "file" / "kill").killed
