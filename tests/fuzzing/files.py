"""Files that other programs write: metrics, reports, kernel files, cgroups, repositories, releases, state, targets."""

# ruff: noqa: E501, ISC004 -- examples are data, one beside the other

import itertools
import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from chassis.config_file import ConfigInvalid
from chassis.secret_files import SecretUnusable, read_secret
from exporter.analysis.components import LineCounts, Naming
from exporter.collectors import coverage, dropin, quality, resources
from exporter.errors import CollectorError, SourceMalformed, SourceUnavailable
from exporter.probing.modules import DEFAULTS
from exporter.probing.settings import check_patterns, host_and_port, seconds, size
from exporter.probing.targets import FileSource, TargetFiles, wanted
from exporter.sources import cgroup, cobertura, coverage_json, deploy_history, junit, lcov, mounts, procfs, sarif
from exporter.sources.container_names import ContainerNames
from exporter.sources.deploy_file import parse_time, read_release
from exporter.sources.git_commit import Checkout
from exporter.sources.health_report import STATUSES, parse_resources, parse_status
from exporter.sources.own_process import OwnProcess
from exporter.sources.processes import ProcessTable
from exporter.sources.rotated_logs import rotated
from exporter.sources.text_format import TextMalformed, TextReader
from exporter.state import StateFile
from tests.fuzzing.logs import check_exposition
from tests.fuzzing.machine import TARGETS, Run, Target, target

_FIXTURES = Path(__file__).parents[1] / "fixtures"
_REPORTS = _FIXTURES / "reports"
_PROC = _FIXTURES / "proc"


def _cut(path: Path, size: int) -> bytes:
    return path.read_bytes()[:size]


_PROM = (
    b'# HELP shop_orders_total Orders.\n# TYPE shop_orders_total counter\nshop_orders_total{kind="a",x="\\""} 17\n'
    b'shop_orders_total{kind="b"} 1e3\n# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="+Inf"} 2\nh_sum 3\nh_count 2\n',
    b'# TYPE s summary\ns{quantile="0.5"} NaN\ns_sum -Inf\ns_count 0\nplain 1\n',
)
_PROM_TOKENS = (
    b"# TYPE ", b"# HELP ", b"# EOF\n", b'{le="', b'{quantile="x"}', b"} 1 1795220940\n", b" # {} 1", b"_total", b"_bucket", b"+Inf",
    b'{a="', b'",', b"__name__", b"nightshift_", b"\\n", b"\\x", b"# UNIT x s\n", b"# TYPE x gaugehistogram\n", b"{}", b"1 2 3",
)  # fmt: skip


@target(_PROM, TextMalformed, tokens=_PROM_TOKENS)
def text_format(_folder: Path) -> Run:
    """Prometheus text, read twice by one reader: the second time says what the first said."""
    kept = TextReader(1000)

    def run(data: bytes) -> None:
        reader = TextReader(1000)
        text = reader.read(data)
        assert text.series == sum(len(block.samples) for block in text.blocks.values())
        assert repr(reader.read(data)) == repr(text), "a reader with a memory reads otherwise"
        assert kept.read(data).series == text.series

    return run


@target(_PROM, tokens=_PROM_TOKENS, share=0.15)
def dropin_folder(folder: Path) -> Run:
    """Two files of metrics beside each other; whatever is shown is an exposition without a name of ours."""
    (folder / "a.prom").write_bytes(_PROM[0])
    it = dropin.DropIn(dropin.Config(folders=[str(folder)]))

    def run(data: bytes) -> None:
        (folder / "b.prom").write_bytes(data)
        check_exposition(it.collect())

    return run


_NAMING = Naming("rest", "src/", 2, {"pay": ("shop/pay/",)})


def _reports() -> dict[str, tuple[Callable[[Path], object], tuple[bytes, ...]]]:
    """Reader and examples of each kind of report."""
    coverage_xml = (
        b'<?xml version="1.0"?><coverage><packages><package><classes><class filename="src/shop/pay/a.py">'
        b'<lines><line number="1" hits="1"/><line number="2" hits="0"/></lines></class></classes></package></packages></coverage>'
    )
    junit_xml = (
        b'<testsuites><testsuite name="a" tests="2"><testcase classname="c" name="n" time="0.1"/><testcase name="m">'
        b'<failure message="x">y</failure></testcase><testcase name="s"><skipped/></testcase></testsuite></testsuites>'
    )
    bomb = (
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "'
        + b"b" * 500
        + b'"><!ENTITY c "'
        + b"&a;" * 500
        + b'">]><coverage>&c;</coverage>'
    )
    deep = b"<testsuites>" + b"<testsuite>" * 500
    external = b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><testsuites/>'
    sarif_json = json.dumps(
        {
            "version": "2.1.0",
            "runs": [
                {
                    "tool": {
                        "driver": {
                            "name": "t",
                            "rules": [
                                {
                                    "id": "r",
                                    "properties": {"security-severity": "9.1", "tags": ["security"]},
                                    "defaultConfiguration": {"level": "error"},
                                }
                            ],
                        }
                    },
                    "results": [
                        {"ruleId": "r", "level": "warning", "ruleIndex": 0},
                        {"ruleId": "x", "suppressions": [{}]},
                    ],
                }
            ],
        }
    ).encode()
    coverage_py = json.dumps(
        {
            "meta": {"format": 3},
            "files": {
                "src/shop/a.py": {
                    "summary": {"covered_lines": 3, "num_statements": 4},
                    "executed_lines": [1, 2],
                    "missing_lines": [3],
                }
            },
        }
    ).encode()
    lcov_text = b"TN:\nSF:src/shop/pay/a.js\nDA:1,1\nDA:2,0\nLF:2\nLH:1\nend_of_record\n"
    tally = lambda: LineCounts(_NAMING).tally  # noqa: E731
    return {
        "cobertura": (lambda path: cobertura.read(path, tally()), (coverage_xml, bomb, _cut(_REPORTS / "coverage.xml", 6000))),
        "coverage_json": (lambda path: coverage_json.read(path, tally()), (coverage_py,)),
        "lcov": (lambda path: lcov.read(path, tally()), (lcov_text, _cut(_REPORTS / "coverage.lcov", 2000))),
        "junit": (junit.read, (junit_xml, deep, external, _cut(_REPORTS / "pytest.xml", 3000))),
        "sarif": (sarif.read, (sarif_json, _cut(_REPORTS / "ruff.sarif", 9000))),
        "any_coverage": (lambda path: coverage.read(path, _NAMING), (coverage_xml, coverage_py, lcov_text)),
        "any_quality": (quality.read, (junit_xml, sarif_json)),
    }  # fmt: skip


_REPORT_TOKENS = (
    b"<", b">", b"</", b"/>", b"<![CDATA[", b"]]>", b"<!DOCTYPE x>", b"<!ENTITY a 'b'>", b"&a;", b"&#0;", b"&#x1F;", b"<?xml version='1.0' encoding='utf-7'?>",
    b"<?xml version='1.0' encoding='utf-16'?>", b"xmlns:a='b'", b"a:", b"<x>" * 120, b'hits="-1"', b'time="1e400"', b'"level":"x"', b'"results":',
    b"SF:", b"LF:99999999999999999999\n", b"end_of_record\n", b"DA:x,y\n",
)  # fmt: skip


def _add_reports() -> None:
    for name, (read, seeds) in _reports().items():

        def prepare(folder: Path, read: Callable[[Path], object] = read) -> Run:
            path = folder / "report"

            def run(data: bytes) -> None:
                path.write_bytes(data)
                read(path)

            return run

        title = f"report_{name}"
        errors = (SourceMalformed, SourceUnavailable)
        TARGETS[title] = Target(title, prepare, seeds, errors, _REPORT_TOKENS, tree=True, share=0.4)


_add_reports()

_NUMBER_TOKENS = (
    b"cpu",
    b"cpu0 ",
    b" kB",
    b"-1",
    b"MemTotal:",
    b"eth0:",
    b" 1 2 3",
    b"some avg10=",
    b"total=",
    b"\\040",
    b"/ ext4 rw",
)


@target(
    (
        (_PROC / "stat").read_bytes(), (_PROC / "meminfo").read_bytes(), (_PROC / "diskstats").read_bytes(),
        (_PROC / "net" / "dev").read_bytes(), (_PROC / "loadavg").read_bytes(), (_PROC / "1" / "mounts").read_bytes(),
        b"some avg10=0.00 avg60=0.00 avg300=0.00 total=1234\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=99\n",
    ),
    SourceMalformed,
    tokens=_NUMBER_TOKENS,
    share=0.5,
)  # fmt: skip
def kernel_files(_folder: Path) -> Run:
    """The text of each file of /proc, by each of its parsers."""
    none = resources.re.compile("x^")
    parsers: tuple[Callable[[bytes], object], ...] = (
        procfs.parse_stat, lambda raw: procfs.used_memory_ratio(procfs.parse_meminfo(raw)), mounts.parse, procfs.parse_pressure,
        lambda raw: procfs.parse_diskstats(raw, none), lambda raw: procfs.parse_net_dev(raw, none),
        lambda raw: procfs.parse_numbers(raw, "x"), resources.load_parts, resources.handle_parts, resources.stat_values,
        lambda raw: resources.memory_parts(procfs.parse_meminfo(raw)), lambda raw: resources.pressure_values({"cpu": raw}),
    )  # fmt: skip

    def run(data: bytes) -> None:
        for parse in parsers:
            try:
                parse(data)
            except SourceMalformed:
                continue

    return run


@target(
    ((_PROC / "stat").read_bytes(), (_PROC / "meminfo").read_bytes(), b"1 (a b) S 0 1 1 0 -1 4 1 0 0 0 1 2"),
    CollectorError,
    tokens=(b") ", b"(", b"\0"),
    share=0.1,
)
def proc_folder(folder: Path) -> Run:
    """A /proc of which one file is damaged, as the collector, the process table and the exporter itself read it."""
    root = folder / "proc"
    shutil.copytree(_PROC, root)
    (root / "self").mkdir(exist_ok=True)
    names = ["stat", "meminfo", "diskstats", "net/dev", "loadavg", "1/mounts", "101/stat", "101/cmdline", "self/stat"]
    space = os.statvfs_result((4096, 4096, 1000, 300, 250, 100, 90, 90, 0, 255))
    collector = resources.Resources(resources.Config(proc_root=str(root)), statvfs=lambda _: space)
    whole = {name: (root / name).read_bytes() if (root / name).exists() else b"" for name in names}
    turn = itertools.cycle(names)

    def run(data: bytes) -> None:
        name = next(turn)
        (root / name).write_bytes(data)
        try:
            ProcessTable(str(root)).processes()
            for collect in (collector.collect, OwnProcess(str(root)).collect):
                try:
                    check_exposition(collect())
                except CollectorError:
                    continue
        finally:
            (root / name).write_bytes(whole[name])

    return run


@target(
    (
        b"usage_usec 2500000\nthrottled_usec 1500000\n",
        b"1000\n",
        b"max\n",
        b"8:0 rbytes=100 wbytes=10\n",
        b'{"Name":"/shop"}',
    ),
    tokens=(b"max", b"rbytes=", b"usage_usec ", b"oom_kill "),
    share=0.1,
)
def cgroup_files(folder: Path) -> Run:
    """A container whose every file says the same."""
    key = "3f2a91c04d55" + "0" * 52
    group = folder / f"docker-{key}.scope"
    group.mkdir()
    docker = folder / "docker" / "containers" / key
    docker.mkdir(parents=True)
    files = [
        group / name
        for name in (
            "cpu.stat",
            "memory.current",
            "memory.max",
            "memory.stat",
            "memory.events",
            "pids.current",
            "io.stat",
        )
    ]

    def run(data: bytes) -> None:
        for path in (*files, docker / "config.v2.json"):
            path.write_bytes(data)
        found = cgroup.usage(group, folder)
        assert found is None or found.memory is None or found.memory >= 0
        (name,) = ContainerNames({}, str(folder / "docker")).names([key]).values()
        assert len(name) <= 500
        cgroup.container_id(data.decode("latin-1"))

    return run


_HASH = b"0123456789abcdef0123456789abcdef01234567"
_GIT = (
    b"ref: refs/heads/main\n", _HASH + b"\n", b"# pack-refs with: peeled\n" + _HASH + b" refs/heads/main\n" + _HASH + b" refs/tags/v1.10\n^" + _HASH + b"\n",
    _HASH + b" " + _HASH + b" a <a@b> 1700000000 +0000\tcheckout: moving from a to v1.10\n", b"gitdir: ../elsewhere\n",
)  # fmt: skip


@target(
    _GIT,
    SourceMalformed,
    SourceUnavailable,
    tokens=(b"ref: ", b"refs/tags/", b"refs/heads/main", b"../", b"gitdir: ", b"^", b"+0000\t", _HASH),
    share=0.15,
)
def git_files(folder: Path) -> Run:
    """A repository of which one file is damaged."""
    git = folder / ".git"
    (git / "refs" / "tags").mkdir(parents=True)
    (git / "refs" / "heads").mkdir()
    (git / "logs").mkdir()
    whole = {
        "HEAD": _GIT[0],
        "refs/heads/main": _GIT[1],
        "packed-refs": _GIT[2],
        "logs/HEAD": _GIT[3],
        "refs/tags/v2": _GIT[1],
    }
    for name, text in whole.items():
        (git / name).write_bytes(text)
    turn = itertools.cycle([*whole, "commondir"])

    def run(data: bytes) -> None:
        name = next(turn)
        (git / name).write_bytes(data)
        try:
            found = Checkout(str(folder)).read()
            assert len(found.version) <= 250
            found.version.encode()
        finally:
            if name in whole:
                (git / name).write_bytes(whole[name])
            else:
                (git / name).unlink()

    return run


@target(
    (b'{"version": "1.2.3", "commit": "0123abc", "time": 1700000000}', b"version: 1.10\ndeployed_at: 2026-01-31T12:00:00Z\n", b"export VERSION='v1'\n", b"1.2.3\n"),
    SourceMalformed, SourceUnavailable,
    tokens=(b"version", b": ", b"=", b"[", b"{", b"- ", b"&a", b"*a", b"? ", b"|\n", b">-\n", b"!!", b"%YAML 9\n", b"---\n", b"<<: "),
    tree=True, share=0.1,
)  # fmt: skip
def release_file(folder: Path) -> Run:
    """Any file as a release file, and any text as a time."""
    path = folder / "release"

    def run(data: bytes) -> None:
        path.write_bytes(data)
        with suppress(SourceMalformed):
            parse_time(data.decode("utf-8", "replace"))
        found = read_release(str(path))
        assert 0 < len(found.version) <= 100
        assert 0 <= found.since < 1e12

    return run


@target(
    (
        b'{"current":{"shop":{"service":"shop","version":"1","time":1}},"counts":{"shop":2},"changes":[{"service":"a","version":"b","time":2}]}',
    ),
    tree=True,
    share=0.2,
)
def deploy_state(folder: Path) -> Run:
    """The kept deployments, damaged: nothing, or a history that goes on."""
    path = folder / "deployments.json"

    def run(data: bytes) -> None:
        path.write_bytes(data)
        history = deploy_history.History(StateFile(path), 10, 5)
        one = deploy_history.Deployment("fuzz", "1", 1e9)
        try:
            history.told(one, shown=True)
        except OverflowError:
            return
        assert one in history.changes()

    return run


@target(
    (b'{"memory_percent": 75.2, "disk": {"used": 3, "total": 4}, "cpu": {"ratio": 0.5}}', b'{"status":"ok","system":{"memory":{"percent":1}}}'),
    SourceMalformed, tokens=(b'"memory":', b'"percent":', b'"total":0', b'"used":-1', b'"available":'), tree=True,
)  # fmt: skip
def health_report(_folder: Path) -> Run:
    """What a service says of itself; whatever is taken is a ratio."""

    def run(data: bytes) -> None:
        with suppress(SourceMalformed):
            assert parse_status(data, "x") in STATUSES
        readings = parse_resources(data, "x")
        assert all(value is None or 0 <= value <= 1 for value in (readings.memory, readings.disk, readings.cpu))

    return run


@target(
    (
        b"- targets: [http://a.example, b:1]\n  labels: {__param_module: tcp_connect, __scrape_interval__: 5s}\n",
        b'[{"targets":["a.example:1"],"labels":{"x":"y"}}]',
    ),
    tree=True,
    share=0.06,
)
def target_files(folder: Path) -> Run:
    """Files of targets: what cannot be used is told, and the last good ones stay."""
    paths = [folder / "a.yml", folder / "b.json"]

    def run(data: bytes) -> None:
        for path in paths:
            path.unlink(missing_ok=True)
            path.write_bytes(data)
        files = TargetFiles([FileSource((f"{folder}/*.yml", f"{folder}/*.json"))])
        files.refresh()
        wanted(files.groups(), DEFAULTS, 30.0)

    return run


@target(
    (b"5s", b"1m30s", b"10MB", b"host:80", b"[::1]:53", b"(a+)++b"),
    ValueError,
    tokens=(b"h", b"m", b"ms", b"K", b"iB", b":", b"]", b"(", b")+", b"*"),
)
def settings(_folder: Path) -> Run:
    """Any text as a duration, a size, a place, a pattern and the name of a rotated log."""

    def run(data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        rotated(text)
        for read in (seconds, size, host_and_port):
            try:
                read(text)  # type: ignore[operator]
            except ValueError:
                continue
        check_patterns(text[:500])

    return run


@target((b"hunter2\n", b"a\nb", b"\xef\xbb\xbfx"), SecretUnusable, ConfigInvalid, share=0.2)
def secret_file(folder: Path) -> Run:
    """Any file as a secret."""
    path = folder / "secret"
    path.touch(mode=0o600)

    def run(data: bytes) -> None:
        path.write_bytes(data)
        assert read_secret(str(path))

    return run
