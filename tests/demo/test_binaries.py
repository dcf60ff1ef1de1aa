import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from demo import binaries
from demo.binaries import BinaryMissingError, codename, find, main, sources_for, unpack

DEB822 = """\
Types: deb deb-src
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc=

Types: deb
URIs: http://vendor.example/apt
Suites: nodistro
Components: main
"""
ONE_LINE = """\
# deb http://old.example/debian bookworm main
deb [arch=amd64 signed-by=/k.gpg] http://one.example/debian bookworm main contrib
deb http://one.example/debian-security bookworm-security main
deb http://vendor.example/docker bookworm stable
"""

Tool = Callable[[str, str], None]


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tool:
    """Writes shell scripts that stand in for apt-get and dpkg-deb on a PATH of their own; empty cache."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv(binaries.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(binaries, "_on_path", lambda _name, _program: None)

    def write(name: str, script: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (folder / name).chmod(stat.S_IRWXU)

    # dpkg-deb -x ARCHIVE TREE: "unpacks" one program whose name is the archive's text
    write("dpkg-deb", 'mkdir -p "$3/usr/bin" && : > "$3/usr/bin/$(cat "$2")"')
    return write


def test_sources_for_deb822_keeps_the_debian_mirror_and_changes_the_suite() -> None:
    """The machine's own mirror serves the wished suite, with its key; other vendors are left out."""
    text = sources_for("trixie", {"debian.sources": DEB822})
    assert "URIs: http://mirror.example/debian\nSuites: trixie\nComponents: main\nSigned-By:\n -----BEGIN" in text
    assert "vendor.example" not in text


def test_sources_for_one_line_keeps_the_debian_mirror_and_changes_the_suite() -> None:
    """The old format is read too: options, comments, security archives and vendors' suites are told apart."""
    text = sources_for("sid", {"sources.list": ONE_LINE})
    assert text == ("Types: deb\nURIs: http://one.example/debian\nSuites: sid\nComponents: main\nSigned-By: /k.gpg\n")


def test_sources_for_disabled_stanza_is_left_out() -> None:
    """`Enabled: no` counts."""
    assert not sources_for("sid", {"a.sources": "Enabled: no\n" + DEB822.split("\n\n", maxsplit=1)[0]})


def test_codename_reads_os_release_or_says_host(tmp_path: Path) -> None:
    """The cache folder's name is the release's code name where there is one."""
    release = tmp_path / "os-release"
    release.write_text('NAME="Debian"\nVERSION_CODENAME=trixie\n', encoding="utf-8")
    assert codename(release) == "trixie"
    assert codename(tmp_path / "none") == "host"


def test_find_program_on_path_is_taken_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed program wins over a download; "alertmanager" is answered under either name."""
    program = tmp_path / "alertmanager"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find("alertmanager") == program


def test_find_unknown_name_names_the_known_ones() -> None:
    """A typo gets the list of what is known."""
    with pytest.raises(BinaryMissingError, match="known are prometheus, promtool"):
        find("promtol")


def test_find_missing_program_is_unpacked_from_a_package(tool: Tool) -> None:
    """Without the program on PATH its Debian package is downloaded and unpacked into the cache."""
    tool("apt-get", 'printf prometheus > "$3_1_amd64.deb"')
    path = find("prometheus")
    assert path.is_file()
    assert path.parent == binaries.cache_folder() / "debian" / codename() / "prometheus" / "usr" / "bin"


def test_find_program_in_a_package_of_its_own_is_found(tool: Tool) -> None:
    """Promtool comes from the package promtool where prometheus does not hold it."""
    tool("apt-get", 'printf "$3" > "$3_1_amd64.deb"')
    assert find("promtool").parent.parent.parent.name == "promtool"


def test_find_second_call_does_not_run_apt(tool: Tool) -> None:
    """The cache answers; apt may be gone by then."""
    tool("apt-get", 'printf prometheus > "$3_1_amd64.deb"')
    first = find("prometheus")
    tool("apt-get", "exit 9")
    assert find("prometheus") == first


def test_find_nothing_works_says_what_to_install(tool: Tool) -> None:
    """The error carries the command to type and apt's own last words."""
    tool("apt-get", "echo 'E: no network' >&2; exit 100")
    with pytest.raises(BinaryMissingError, match=r"sudo apt install prometheus(?s:.*)E: no network"):
        find("prometheus")


def test_unpack_failed_unpacking_leaves_no_half_package(tool: Tool) -> None:
    """A package appears whole or not at all, so that a later call tries again."""
    tool("apt-get", 'printf x > "$3_1_amd64.deb"')
    tool("dpkg-deb", 'mkdir -p "$3/usr"; exit 2')
    with pytest.raises(BinaryMissingError, match="dpkg-deb -x"):
        unpack("prometheus")
    assert not (binaries.cache_folder() / "debian" / codename() / "prometheus").exists()


def test_unpack_without_apt_says_which_tool_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine without apt the text names the missing tool."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv(binaries.CACHE_VARIABLE, str(tmp_path))
    with pytest.raises(BinaryMissingError, match="apt-get is not on PATH"):
        unpack("prometheus")


def test_find_other_suite_uses_a_private_apt_state(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another suite never touches the machine's lists: every directory that apt is given lies in the cache."""
    monkeypatch.setattr(binaries, "_machine_sources", lambda: {"debian.sources": DEB822})
    tool("apt-get", '[ "$2" = update ] && exit 0; cp "$APT_CONFIG" "$3.txt"; cp "$3.txt" ../; printf "$3" > "$3.deb"')
    assert find("prometheus", suite="trixie").is_file()
    config = (binaries.cache_folder() / "debian" / "trixie" / "prometheus.txt").read_text(encoding="utf-8")
    private = (binaries.cache_folder() / "debian" / "trixie" / ".apt").resolve()
    assert f'Dir::State "{private}/state"' in config
    assert "Suites: trixie" in (private / "sources" / "mirror.sources").read_text(encoding="utf-8")


def test_main_prints_the_path_or_the_reason(tool: Tool, capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m demo.binaries prometheus` serves scripts: a path on standard output, else exit 1."""
    tool("apt-get", 'printf prometheus > "$3_1_amd64.deb"')
    assert main(["prometheus"]) == 0
    assert capsys.readouterr().out.strip().endswith(f"{os.sep}prometheus")
    assert main(["nothing"]) == 1
    assert main([]) == 2
