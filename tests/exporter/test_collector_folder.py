import os
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter import config
from exporter.__main__ import main
from exporter.app import Exporter
from exporter.collector import CollectorConfig, build
from exporter.collector_folder import OwnCollectors, Unusable, unusable, without_conflicts
from exporter.errors import CollectorError, ConfigError
from exporter.exposition import TEXT
from exporter.families import Metric

GOOD = """
from exporter.collector import CollectorConfig, collector
from exporter.families import Family, Metric

FILES = Metric("shop_carts", "gauge", "Carts.")

class Config(CollectorConfig, frozen=True):
    carts: "int" = 1

@collector("carts")
class Carts:
    config = Config
    metrics = (FILES,)
    def __init__(self, config):
        self.carts = 1 / config.carts * config.carts ** 2
    def collect(self):
        yield Family(FILES, self.carts)
    def close(self):
        pass
"""

Put = Callable[..., OwnCollectors]
Run = Callable[[str], Exporter]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Writes a file of the folder; the folder's collectors."""
    folder = tmp_path / "own"
    folder.mkdir(mode=0o755)

    def write(text: str, name: str = "carts.py") -> OwnCollectors:
        (folder / name).write_text(text)
        return OwnCollectors(folder)

    return write


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """An exporter with this configuration, which names the folder."""

    def start(text: str) -> Exporter:
        path = tmp_path / "exporter.yml"
        path.write_text(f"collector_folder: own\n{text}")
        return Exporter(path, config.known_collectors())

    return start


def exposition(exporter: Exporter) -> str:
    """What a scrape shows."""
    return exporter.exposition(9, TEXT).decode()


def reason(cls: type) -> str:
    """Why a class stands for a collector that cannot be used."""
    assert issubclass(cls, Unusable)
    return cls.reason


def test_own_collector_runs_beside_ours(put: Put, run: Run) -> None:
    """A section of its name is all that it needs, and its keys are checked like ours."""
    put(GOOD)
    text = exposition(run("collectors: {carts: {carts: 7}, resources: {enabled: false}}"))
    assert "\nshop_carts 7.0\n" in text
    assert 'nightshift_collector_success{collector="carts"} 1' in text
    with pytest.raises(ConfigError, match='unknown key "cart" \\(did you mean "carts"'):
        run("collectors: {carts: {cart: 7}}")


def test_own_collector_without_a_section_is_not_imported(put: Put, run: Run) -> None:
    """A file that is not configured cannot hurt."""
    put("raise SystemExit(1)")
    assert run("collectors: {}").running == ["resources"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("import nothing_of_that_name", r"carts.py:1: ModuleNotFoundError: No module named"),
        ("x = 1\n1 / 0", r"carts.py:2: ZeroDivisionError"),
        ("def f(:", r"carts.py:1: SyntaxError"),
        ("raise SystemExit(3)", r"carts.py:1: SystemExit: 3"),
        ("\0", r"carts.py:\d+: (ValueError|SyntaxError): source code"),
        ("x = 1", r'must define one collector, @collector\("carts"\), as it is called: it has none'),
        (GOOD.replace('"carts"', '"cart"', 1), "it has 'cart'"),
        (GOOD.replace("def close", "def end"), "Carts lacks close"),
        (GOOD.replace("config = Config", "config = dict"), "no subclass of CollectorConfig"),
        (GOOD.replace("(FILES,)", "[FILES]"), "no tuple of Metric"),
        (GOOD.replace("shop_carts", "nightshift_build_info"), "nightshift_build_info, which the exporter itself shows"),
        (GOOD.replace("shop_carts", "nightshift_load1"), "nightshift_load1, which the collector 'resources' shows"),
    ],
)  # fmt: skip
def test_own_collector_that_is_wrong_costs_itself_only(put: Put, run: Run, text: str, why: str) -> None:
    """It fails at every scrape with its reason; everything else is shown."""
    put(text)
    exporter = run("collectors: {carts: {carts: 7}}")
    shown = exposition(exporter)
    assert 'nightshift_collector_success{collector="carts"} 0' in shown
    assert "nightshift_load1 " in shown
    known = config.load(exporter._path, config.known_collectors())
    assert len(known.complaints) == 1
    with pytest.raises(CollectorError, match=why):
        build(known.classes["carts"], CollectorConfig()).collect()


def test_own_collector_that_cannot_start_costs_itself_only(
    put: Put, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """A constructor that raises is reported like a collect that raises."""
    put(GOOD)
    assert 'success{collector="carts"} 0' in exposition(run("collectors: {carts: {carts: 0}}"))
    assert "cannot be started: ZeroDivisionError" in caplog.text


def test_own_collector_of_a_taken_name_is_reported(put: Put, run: Run, caplog: pytest.LogCaptureFixture) -> None:
    """Ours has the name; the file is told to take another."""
    put(GOOD, "resources.py")
    assert run("").running == ["resources"]
    assert "resources.py: the exporter has a collector 'resources': rename yours" in caplog.text


def test_own_collector_that_was_changed_is_imported_at_the_reload(put: Put, run: Run) -> None:
    """A mended file works after a reload; one that was left alone goes on as the same object."""
    put("x =")
    exporter = run("collectors: {carts: {}}")
    put(GOOD)
    assert exporter.reload() == ""
    assert "shop_carts 1.0" in exposition(exporter)
    before = exporter._collectors["carts"]
    assert exporter.reload() == ""
    assert exporter._collectors["carts"] is before


def test_own_collector_that_was_broken_at_the_reload_says_so(put: Put, run: Run) -> None:
    """Its old code does not go on under a file that says something else."""
    put(GOOD)
    exporter = run("collectors: {carts: {}}")
    put("x =")
    assert exporter.reload() == ""
    assert 'success{collector="carts"} 0' in exposition(exporter)


@pytest.mark.parametrize("place", ["own", "own/carts.py"])
def test_own_collector_that_everybody_may_write_is_refused(put: Put, tmp_path: Path, place: str) -> None:
    """Whoever can write the file or the folder would run code with the exporter's rights."""
    own = put(GOOD)
    (tmp_path / place).chmod(0o777)
    assert f"everybody may write {tmp_path / place}: chmod o-w" in reason(own["carts"])


def test_own_collector_is_judged_where_its_link_points(put: Put, tmp_path: Path) -> None:
    """A link in a safe folder does not make its target safe."""
    own = put(GOOD)
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "own" / "carts.py").rename(tmp_path / "open" / "carts.py")
    (tmp_path / "own" / "carts.py").symlink_to(tmp_path / "open" / "carts.py")
    assert "everybody may write" in reason(own["carts"])


def test_own_collector_of_another_user_is_refused(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only root and the exporter's own user may have written it."""
    own = put(GOOD)
    if os.geteuid() == 0:
        os.chown(own.path("carts"), 4711, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 4711)
    assert "belongs to user" in reason(own["carts"])


def test_own_collectors_write_nothing_into_the_folder(put: Put) -> None:
    """No compiled file is left, and none that somebody planted is read."""
    own = put(GOOD)
    assert not issubclass(own["carts"], Unusable)
    assert [path.name for path in own.path("carts").parent.iterdir()] == ["carts.py"]


def test_own_collectors_are_the_python_files(put: Put) -> None:
    """Names with a dot or underscore in front and other files are not meant."""
    for name in ("_shared.py", ".hidden.py", "notes.md"):
        put("", name)
    assert list(put(GOOD)) == ["carts"]


def test_own_collectors_missing_folder_is_named(tmp_path: Path) -> None:
    """A folder that is not there is a mistake of the configuration."""
    with pytest.raises(ConfigError, match=r"collector_folder: .*none: cannot be listed: No such file"):
        OwnCollectors(tmp_path / "none")


def test_own_collectors_of_a_fifo_do_not_wait(put: Put) -> None:
    """Nothing in the folder can hold up the start."""
    own = put(GOOD)
    own.path("carts").unlink()
    os.mkfifo(own.path("carts"), 0o644)
    assert "is no regular file" in reason(OwnCollectors(own.path("carts").parent)["carts"])


def test_without_conflicts_gives_a_metric_to_the_first_of_two(put: Put) -> None:
    """Two files of the user's that declare one metric: the first by name has it."""
    first = put(GOOD)["carts"]
    second = type("Second", (), {"metrics": (Metric("shop_carts", "gauge", "Carts."),)})
    found = without_conflicts({"carts": first, "more": second}, {}, ())
    assert found["carts"] is first
    assert "more.py: declares shop_carts, which the collector 'carts' shows" in reason(found["more"])


def test_unusable_closes_quietly() -> None:
    """It is closed like any collector."""
    build(unusable("because"), CollectorConfig()).close()


@pytest.mark.parametrize("verb", ["describe", "check-config"])
def test_verbs_know_own_collectors(put: Put, tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str) -> None:
    """`describe` lists their metrics, `check-config` names them; both fail when one cannot be used."""
    put(GOOD)
    path = tmp_path / "exporter.yml"
    path.write_text("{collector_folder: own, collectors: {carts: {}}}")
    assert main([verb, "--config.file", str(path)]) == 0
    assert "carts" in capsys.readouterr().out
    put("x =")
    assert main([verb, "--config.file", str(path)]) == 2
    assert f"nightshift-exporter: collector folder: {tmp_path}/own/carts.py:1: SyntaxError" in capsys.readouterr().err
