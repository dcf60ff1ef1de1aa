import re
from pathlib import Path

import pytest

from alert_handler import config
from alert_handler.errors import ConfigInvalid
from alert_handler.model import Mode

ENTRY = """
- name: {name}
  match: ['alertname="DiskFull"']
  remediation: cleanup
  verify: {{query: used, healthy: "< 0.8"}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one playbook file."""
    (tmp_path / "disk.yml").write_text(ENTRY.format(name="disk"))
    return tmp_path


def load(folder: Path, text: str) -> config.Config:
    """The configuration *text*, with the playbook file of the folder."""
    file = folder / "alert_handler.yml"
    file.write_text("playbook_files: [disk.yml]\n" + text)
    return config.load(file)


def test_defaults_are_the_safe_ones() -> None:
    """No file: only watch, and keep the shipped playbooks at hand."""
    found = config.load(None)
    assert (found.mode, found.workers, list(found.notifiers)) == (Mode.OBSERVE, 4, ["log"])
    assert found.playbooks
    assert found.prometheus.settle_seconds == 10.0


def test_empty_file_is_the_defaults(folder: Path) -> None:
    """Nothing said, nothing changed."""
    file = folder / "alert_handler.yml"
    file.write_text("")
    assert config.load(file) == config.load(None)


def test_own_entries_come_before_those_of_files(folder: Path) -> None:
    """The first match wins, so the operator's own file is asked first."""
    text = "playbooks:\n" + ENTRY.format(name="own").replace("\n", "\n  ")
    assert [entry.name for entry in load(folder, text).playbooks] == ["own", "disk"]


def test_playbook_files_are_found_below_the_configuration(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From wherever it was started."""
    monkeypatch.chdir("/")
    assert [entry.name for entry in load(folder, "mode: act").playbooks] == ["disk"]


PLAYBOOK = """
playbooks:
- {{name: own, match: [{match}], remediation: x, verify: {{query: "{query}", healthy: "{healthy}"}}{more}}}
"""


def entry(match: str = "a=b", query: str = "up", healthy: str = "> 0", more: str = "") -> str:
    """A configuration with one entry of its own."""
    return PLAYBOOK.format(match=match, query=query, healthy=healthy, more=more)


#: Every rule of validation: (configuration, the whole message after the file's name).
BAD = {
    "unknown key": ("mood: act", 'unknown key "mood" (did you mean "mode"?)'),
    "unknown key in a section": (
        "prometheus: {timeout: 5}",
        'prometheus: unknown key "timeout" (did you mean "timeout_seconds"?)',
    ),
    "unknown key in an entry": (
        entry(more=", cooldown_second: 5"),
        'playbooks[0]: unknown key "cooldown_second" (did you mean "cooldown_seconds"?)',
    ),
    "unknown word": ("mode: ackt", "mode: invalid enum value 'ackt' (did you mean \"act\"?)"),
    "wrong type": ("workers: many", "workers: expected `int`, got `str`"),
    "text for a list": ("playbooks: none", "playbooks: expected `array`, got `str`"),
    "too few workers": ("workers: 0", "workers: 0 is not within 1 to 64"),
    "too many workers": ("workers: 65", "workers: 65 is not within 1 to 64"),
    "no address": (
        "prometheus: {url: prometheus}",
        "prometheus.url: 'prometheus' is no address; write http://HOST:PORT",
    ),
    "file address": (
        "alertmanager: {url: 'file:///etc'}",
        "alertmanager.url: 'file:///etc' is no address; write http://HOST:PORT",
    ),
    "address without host": (
        "prometheus: {url: 'http://:9090'}",
        "prometheus.url: 'http://:9090' is no address; write http://HOST:PORT",
    ),
    "address with a broken port": (
        "prometheus: {url: 'http://a:99999'}",
        "prometheus.url: 'http://a:99999' is no address; write http://HOST:PORT",
    ),
    "address with a broken host": (
        "prometheus: {url: 'http://[::1'}",
        "prometheus.url: 'http://[::1' is no address; write http://HOST:PORT",
    ),
    "address with a query": (
        "prometheus: {url: 'http://a/?b'}",
        "prometheus.url: 'http://a/?b' is no address; write http://HOST:PORT",
    ),
    "address with credentials": (
        "prometheus: {url: 'http://me:secret@a'}",
        "prometheus.url: an address must not hold credentials; write http://HOST:PORT",
    ),
    "timeout of zero": (
        "prometheus: {url: 'http://a', timeout_seconds: 0}",
        "prometheus.timeout_seconds: is 0; write 0.1 to 60",
    ),
    "interval that is no number": (
        "prometheus: {scrape_interval_seconds: .nan}",
        "prometheus.scrape_interval_seconds: is out of range; write 0.1 to 3600",
    ),
    "endless silence": (
        "watchdog: {max_silence_seconds: .inf}",
        "watchdog.max_silence_seconds: is out of range; write 1 to 86400",
    ),
    "token that is not there": (
        "intake: {token_file: /nowhere/token}",
        "intake.token_file: the secret file /nowhere/token cannot be read: No such file or directory",
    ),
    "no strikes": ("policy: {strikes: 0}", "policy.strikes: is 0; write 1 to 1000"),
    "window that is no number": (
        "policy: {strike_window_seconds: .nan}",
        "policy.strike_window_seconds: is out of range; write 60 to 2592000",
    ),
    "no runs at all": ("policy: {total_per_hour: 0}", "policy.total_per_hour: is 0; write 1 to 1000"),
    "unknown risk": ("policy: {max_risk: any}", "policy.max_risk: invalid enum value 'any' (known: major, safe)"),
    "no matcher": (
        entry(match="DiskFull"),
        (
            "playbooks[0] (own): match[0]: no matcher: 'DiskFull' "
            '(write name="value", name!="value", name=~"regex" or name!~"regex")'
        ),
    ),
    "pattern that can hang": (
        entry(match='"a=~(x+)+"'),
        (
            "playbooks[0] (own): match[0]: regular expression '(x+)+': repeats a group, which can take for ever; "
            "repeat single characters or sets only"
        ),
    ),
    "entry for every alert": (
        entry(match=""),
        "playbooks[0] (own): match: also answers an alert without labels: an entry that answers every alert is refused",
    ),
    "no query": (entry(query=""), "playbooks[0] (own): verify.query: is empty: without it nothing can be verified"),
    "no condition": (
        entry(healthy="low"),
        "playbooks[0] (own): verify.healthy: no condition: 'low' (write an operator and a number, e.g. '< 0.80')",
    ),
    "endless deadline": (
        entry(more=", deadline_seconds: .inf"),
        "playbooks[0].deadline_seconds: is out of range; write 1 to 3600",
    ),
    "missing key": ("playbooks: [{name: x}]", "playbooks[0]: object missing required field `match`"),
    "no mapping": ("- mode", "expected `object`, got `array`"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_bad_configuration_is_refused_with_this_message(tmp_path: Path, text: str, message: str) -> None:
    """File, path in it, what is wrong, and what to write."""
    file = tmp_path / "alert_handler.yml"
    file.write_text(text)
    with pytest.raises(ConfigInvalid, match=f"^alert_handler.yml: {re.escape(message)}$"):
        config.load(file)


BAD_PLAYBOOKS = {
    "unknown key": (
        ENTRY.format(name="disk").replace("healthy", "within_second: 5, healthy"),
        'disk.yml: [0].verify: unknown key "within_second" (did you mean "within_seconds"?)',
    ),
    "no list": ("name: disk", "disk.yml: expected `array`, got `object`"),
    "no matcher": (
        ENTRY.format(name="disk").replace("alertname=", "alertname"),
        (
            "disk.yml: [0] (disk): match[0]: no matcher: 'alertname\"DiskFull\"' "
            '(write name="value", name!="value", name=~"regex" or name!~"regex")'
        ),
    ),
    "same name twice": (ENTRY.format(name="disk") * 2, "playbooks: the name 'disk' is given twice"),
    "no YAML": ("[", "disk.yml: line 1, column 2: "),
}


@pytest.mark.parametrize(("text", "message"), BAD_PLAYBOOKS.values(), ids=BAD_PLAYBOOKS)
def test_bad_playbook_file_is_refused_with_this_message(folder: Path, text: str, message: str) -> None:
    """The playbook file is named, not the configuration."""
    (folder / "disk.yml").write_text(text)
    with pytest.raises(ConfigInvalid, match=f"^{re.escape(message)}"):
        load(folder, "")


@pytest.mark.parametrize("pattern", ["none/*.yml", "a**b/*.yml", "", ".", '"\\0"', "disk.yml/x"])
def test_playbook_pattern_that_finds_nothing_to_read_is_refused(folder: Path, pattern: str) -> None:
    """A typing error does not quietly mean `no playbooks`."""
    file = folder / "alert_handler.yml"
    file.write_text(f"playbook_files: [{pattern or repr('')}]")
    with pytest.raises(ConfigInvalid):
        config.load(file)


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x]\nb: *a",
        "\n".join(["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40))]),
        "[" * 10_000,
        "{a: " * 5_000,
        "mode: act\nmode: observe",
        "!!python/object/apply:os.system [id]",
        "mode: \x00",
        "9" * 6000 + ": 1",
    ],
    ids=["alias", "bomb", "deep list", "deep map", "twice", "tag", "control", "number"],
)
def test_yaml_that_is_an_attack_is_refused(tmp_path: Path, text: str) -> None:
    """Aliases, depth, tags, keys given twice: refused with a message, at once."""
    file = tmp_path / "alert_handler.yml"
    file.write_text(text)
    with pytest.raises(ConfigInvalid, match=r"alert_handler\.yml: "):
        config.load(file)


def test_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The path is in the message."""
    with pytest.raises(ConfigInvalid, match=r"gone\.yml: cannot be read: No such file"):
        config.load(tmp_path / "gone.yml")
