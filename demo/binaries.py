"""Finds Prometheus, Alertmanager and their tools; unpacks Debian's packages into a cache where PATH has none.

Nothing is installed, no service starts and no root is needed: `apt-get download` fetches a package and
`dpkg-deb -x` unpacks it below `.cache/debian/<suite>/<package>/`. Where the machine's own package lists are
missing, or another suite is asked for, apt works on a private state directory with a private sources list that
names the machine's own mirrors.

    find("prometheus")                  # from PATH, else from Debian's package of this machine's release
    find("promtool", suite="trixie")    # never from PATH: the version that this release ships
"""

import fcntl
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from demo.relocate import relocate

_log = logging.getLogger(__name__)

CACHE_VARIABLE = "NIGHTSHIFT_CACHE"
HINT = "sudo apt install prometheus prometheus-alertmanager"
# A cold `apt-get update` of sid is about 10 MB, the largest package about 60 MB.
APT_TIMEOUT_SECONDS = 300

DEBIAN_SUITES = frozenset(
    {"buster", "bullseye", "bookworm", "trixie", "forky", "duke", "sid"}
    | {"unstable", "testing", "stable", "oldstable", "oldoldstable"}
)

# Settings that keep apt inside a private directory: no hook of the machine runs, no system file is written.
_APT_CONFIG = """\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
Acquire::Languages "none";
APT::Sandbox::User "root";
"""
_APT_PRIVATE = """\
Dir::State "{root}/state";
Dir::State::status "{root}/status";
Dir::Cache "{root}/cache";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "{root}/sources";
"""


class BinaryMissingError(RuntimeError):
    """A program is neither on PATH nor to be had as a Debian package; the text says what to install."""


@dataclass(frozen=True)
class Program:
    """Where a program lies: its name on disk and the Debian packages that may hold it, most likely first."""

    binary: str
    packages: tuple[str, ...]


# Debian's newer releases ship promtool and amtool apart from the daemons.
PROGRAMS: Mapping[str, Program] = {
    "prometheus": Program("prometheus", ("prometheus",)),
    "promtool": Program("promtool", ("prometheus", "promtool")),
    "prometheus-alertmanager": Program("prometheus-alertmanager", ("prometheus-alertmanager",)),
    "alertmanager": Program("prometheus-alertmanager", ("prometheus-alertmanager",)),
    "amtool": Program("amtool", ("prometheus-alertmanager", "amtool")),
    "prometheus-node-exporter": Program("prometheus-node-exporter", ("prometheus-node-exporter",)),
    "jsonnetfmt": Program("jsonnetfmt", ("jsonnet",)),
    "mtail": Program("mtail", ("mtail",)),
}


def find(name: str, suite: str | None = None) -> Path:
    """Gives the path of a program; downloads and unpacks its Debian package on first use.

    Args:
        name: one of `PROGRAMS`.
        suite: a Debian suite such as `trixie`; None takes PATH first, then this machine's release.

    Raises:
        BinaryMissingError: unknown name, or the program cannot be had; the text says what to install.
    """
    program = PROGRAMS.get(name)
    if program is None:
        raise BinaryMissingError(f'no program "{name}" is known here; known are {", ".join(PROGRAMS)}')
    if suite is None and (on_path := _on_path(name, program)):
        return on_path
    return _from_packages(program, suite)


def unpack(package: str, suite: str | None = None) -> Path:
    """Gives the folder that holds the unpacked files of a Debian package; downloads it on first use.

    Raises:
        BinaryMissingError: apt or dpkg is missing, or no source of this machine offers the package.
    """
    suite_folder = cache_folder() / "debian" / (suite or codename())
    target = suite_folder / package
    if target.is_dir():
        return target
    with _locked(suite_folder):
        if not target.is_dir():
            _download_and_unpack(package, suite, target)
    return target


def cache_folder() -> Path:
    """Gives the cache folder: NIGHTSHIFT_CACHE when set, else `.cache` beside the packages."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen) if chosen else Path(__file__).resolve().parent.parent / ".cache"


def codename(os_release: Path = Path("/etc/os-release")) -> str:
    """Gives the release's code name (`bookworm`), or `host` where the machine does not tell one."""
    try:
        text = os_release.read_text(encoding="utf-8")
    except OSError:
        return "host"
    match = re.search(r'^VERSION_CODENAME="?([\w.-]+)"?$', text, re.MULTILINE)
    return match[1] if match else "host"


def sources_for(suite: str, texts: Mapping[str, str]) -> str:
    """Gives a sources list (deb822) that offers `suite` from the Debian mirrors named in `texts`.

    Args:
        suite: the suite to offer.
        texts: file name (ending in .list or .sources) to its text; entries of other vendors are left out.
    """
    stanzas: list[str] = []
    for name, text in sorted(texts.items()):
        entries = _deb822_entries(text) if name.endswith(".sources") else _one_line_entries(text)
        for uris, suites, components, signed_by in entries:
            if not DEBIAN_SUITES.intersection(suites) or "main" not in components:
                continue
            lines = ["Types: deb", f"URIs: {uris}", f"Suites: {suite}", "Components: main"]
            if signed_by:
                lines.append(f"Signed-By: {signed_by}".replace(": \n", ":\n"))
            stanza = "\n".join(lines) + "\n"
            if stanza not in stanzas:
                stanzas.append(stanza)
    return "\n".join(stanzas)


# uris, suites, components, signed-by (empty when not told)
_Entry = tuple[str, list[str], list[str], str]

_ONE_LINE = re.compile(r"^deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>.+)$")


def _one_line_entries(text: str) -> Iterator[_Entry]:
    """Reads the one-line format: `deb [signed-by=KEY] URI SUITE COMPONENT...`."""
    for line in text.splitlines():
        match = _ONE_LINE.match(line.split("#", 1)[0].strip())
        if match:
            signed_by = re.search(r"signed-by=(\S+)", match["options"] or "", re.IGNORECASE)
            yield match["uri"], [match["suite"]], match["components"].split(), signed_by[1] if signed_by else ""


def _deb822_entries(text: str) -> Iterator[_Entry]:
    """Reads the deb822 format: stanzas of `Key: value`, an indented line goes on with the value above."""
    for stanza in re.split(r"\n\s*\n", text):
        fields: dict[str, str] = {}
        key = ""
        for line in stanza.splitlines():
            if line.startswith("#"):
                continue
            if line[:1].isspace():
                fields[key] = f"{fields.get(key, '')}\n{line.rstrip()}"
            elif ":" in line:
                key, value = line.split(":", 1)
                key = key.strip().lower()
                fields[key] = value.strip()
        enabled = fields.get("enabled", "yes").lower() not in {"no", "false", "0"}
        if enabled and "deb" in fields.get("types", "").split():
            uris = " ".join(fields.get("uris", "").split())
            suites, components = fields.get("suites", "").split(), fields.get("components", "").split()
            yield uris, suites, components, fields.get("signed-by", "")


def _on_path(name: str, program: Program) -> Path | None:
    """Gives the program found on PATH under its upstream or its Debian name."""
    for candidate in (program.binary, name):
        found = shutil.which(candidate)
        if found:
            return Path(found)
    return None


def _from_packages(program: Program, suite: str | None) -> Path:
    """Gives the program from the first package that holds it.

    Raises:
        BinaryMissingError: no package holds it, or none can be had.
    """
    failures: list[str] = []
    for package in _unpacked_first(program.packages, suite):
        try:
            binary = unpack(package, suite) / "usr" / "bin" / program.binary
        except BinaryMissingError as error:
            failures.append(str(error))
            continue
        if binary.is_file():
            return binary
        failures.append(f"package {package} has no /usr/bin/{program.binary}")
    where = f"Debian {suite}" if suite else "PATH or this machine's Debian release"
    raise BinaryMissingError(
        f"{program.binary} is not to be had from {where}; install it: {HINT}\n  " + "\n  ".join(dict.fromkeys(failures))
    )


def _unpacked_first(packages: tuple[str, ...], suite: str | None) -> list[str]:
    """Orders packages so that those in the cache come first: no second look at the mirror then."""
    folder = cache_folder() / "debian" / (suite or codename())
    return sorted(packages, key=lambda package: not (folder / package).is_dir())


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Holds the folder's lock file, so that of many callers one downloads and the others wait."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _download_and_unpack(package: str, suite: str | None, target: Path) -> None:
    """Downloads one package and unpacks it; the target appears complete or not at all.

    Raises:
        BinaryMissingError: apt-get or dpkg-deb is missing or fails.
    """
    for tool in ("apt-get", "dpkg-deb"):
        if not shutil.which(tool):
            raise BinaryMissingError(f"{tool} is not on PATH, so package {package} cannot be unpacked")
    with tempfile.TemporaryDirectory(prefix=".unpack-", dir=target.parent) as scratch:
        work = Path(scratch)
        archive = _download(package, suite, work, target.parent / ".apt")
        tree = work / "tree"
        _run(["dpkg-deb", "-x", str(archive), str(tree)], work, {})
        relocate(tree)
        tree.rename(target)
    _log.info("unpacked Debian package %s into %s", package, target)


def _download(package: str, suite: str | None, work: Path, private: Path) -> Path:
    """Downloads a package's archive into `work`: from the machine's package lists, else from private ones.

    Raises:
        BinaryMissingError: neither offers it.
    """
    _log.info("downloading Debian package %s (%s)", package, suite or codename())
    config = work / "apt.conf"
    config.write_text(_APT_CONFIG, encoding="utf-8")
    failure: BinaryMissingError | None = None
    if suite is None:
        try:
            return _apt_download(package, work, config)
        except BinaryMissingError as error:
            failure = error
    config.write_text(_APT_CONFIG + _private_state(private, suite or codename()), encoding="utf-8")
    try:
        return _from_private_lists(package, work, config, private)
    except BinaryMissingError as error:
        raise BinaryMissingError(f"{failure}\n  {error}" if failure else str(error)) from error


def _from_private_lists(package: str, work: Path, config: Path, private: Path) -> Path:
    """Downloads by the private lists; reads the mirrors' lists first where there are none or they are outdated.

    Raises:
        BinaryMissingError: the mirrors cannot be read, or do not offer the package.
    """
    if any((private / "state" / "lists").glob("*_Packages*")):
        try:
            return _apt_download(package, work, config)
        except BinaryMissingError as error:
            _log.info("reading the mirrors' lists again: %s", error)
    _run(["apt-get", "-qq", "update"], work, {"APT_CONFIG": str(config)})
    return _apt_download(package, work, config)


def _apt_download(package: str, work: Path, config: Path) -> Path:
    """Runs `apt-get download` in `work` and gives the archive.

    Raises:
        BinaryMissingError: apt fails or leaves no archive.
    """
    _run(["apt-get", "-qq", "download", package], work, {"APT_CONFIG": str(config)})
    archives = sorted(work.glob("*.deb"))
    if not archives:
        raise BinaryMissingError(f"apt-get download {package} left no archive")
    return archives[0]


def _private_state(root: Path, suite: str) -> str:
    """Makes a private apt state for a suite and gives the configuration text that points apt at it.

    Raises:
        BinaryMissingError: no Debian mirror is configured on this machine.
    """
    sources = sources_for(suite, _machine_sources())
    if not sources:
        raise BinaryMissingError("no Debian mirror is configured in /etc/apt/sources.list or /etc/apt/sources.list.d")
    for folder in ("state/lists/partial", "cache/archives/partial", "sources"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "status").touch()
    (root / "sources" / "mirror.sources").write_text(sources, encoding="utf-8")
    return _APT_PRIVATE.format(root=root.resolve())


def _machine_sources(etc: Path = Path("/etc/apt")) -> dict[str, str]:
    """Reads the machine's sources lists: file name to text; unreadable ones are left out with a warning."""
    texts: dict[str, str] = {}
    folder = etc / "sources.list.d"
    for path in (etc / "sources.list", *sorted(folder.glob("*.list")), *sorted(folder.glob("*.sources"))):
        try:
            texts[path.name] = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            continue
        except OSError as error:
            _log.warning("left out %s: %s", path, error)
    return texts


def _run(argv: list[str], cwd: Path, extra: Mapping[str, str]) -> None:
    """Runs a tool to its end.

    Raises:
        BinaryMissingError: it fails or takes longer than APT_TIMEOUT_SECONDS; the text carries its last words.
    """
    env = {**os.environ, **extra, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            argv, cwd=cwd, env=env, capture_output=True, text=True, timeout=APT_TIMEOUT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BinaryMissingError(f"{' '.join(argv)}: {error}") from error
    if done.returncode != 0:
        words = " | ".join((done.stderr or done.stdout).strip().splitlines()[-3:])
        raise BinaryMissingError(f"{' '.join(argv)} ended with {done.returncode}: {words}")


def main(argv: list[str]) -> int:
    """Prints the path of the program named first, from the suite named second (if any); 1 when there is none."""
    if not argv:
        print(f"usage: python -m demo.binaries {{{','.join(PROGRAMS)}}} [suite]", file=sys.stderr)
        return 2
    try:
        print(find(argv[0], argv[1] if len(argv) > 1 else None))
    except BinaryMissingError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
