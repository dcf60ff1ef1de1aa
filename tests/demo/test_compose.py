import json
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import alert_handler.config
import exporter.__main__
import exporter.config
from demo import compose_configs, service
from demo.binaries import BinaryMissingError, find, unpack
from demo.configs import ROOT
from demo.stack import READY

COMPOSE = ROOT / "docker-compose.yml"
BUILT = {"exporter": "exporter", "alert_handler": "alert_handler", "demo": "demo"}
PORTS = {
    "prometheus": 9090,
    "alertmanager": 9093,
    "grafana": 3000,
    "exporter": exporter.__main__.PORT,
    "alert_handler": alert_handler.config.PORT,
    "demo": int(service.DEFAULT_ADDRESS.rpartition(":")[2]),
}
# Ready paths that the runner without Docker waits for on the same programs, so that they are known to work.
READY_PATHS = {**READY, "alert_handler": READY["handler"], "demo": READY["service"], "grafana": "/api/health"}
OLD_COMPOSE = """
docker-compose python3-docker python3-dockerpty python3-docopt python3-dotenv python3-jsonschema python3-requests
python3-texttable python3-websocket python3-yaml python3-distro python3-six python3-attr python3-pyrsistent
python3-certifi python3-charset-normalizer python3-chardet python3-idna python3-urllib3 python3-pkg-resources
"""

Document = dict[str, Any]


def _services() -> Document:
    """The services of the compose file."""
    services: Document = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    return services


SERVICES = _services()
NAMES = sorted(SERVICES)


def _dockerfile(name: str) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile as (word, rest), line continuations joined, comments left out."""
    text = (ROOT / BUILT[name] / "Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines) if word]


def _last(name: str, word: str) -> str:
    """The rest of the last instruction of a kind."""
    return [rest for found, rest in _dockerfile(name) if found == word][-1]


def _unpacked(package: str, suite: str) -> Path:
    """A Debian package's folder; without a mirror there is nothing to test with."""
    try:
        return unpack(package, suite)
    except BinaryMissingError as error:
        pytest.skip(f"no Debian mirror: {error}")


def _check_config(argv: list[str], env: dict[str, str] | None = None) -> Document:
    """The compose file as a compose implementation understands it."""
    done = subprocess.run(
        [*argv, "-f", str(COMPOSE), "config"], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    document: Document = yaml.safe_load(done.stdout)
    return document


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="Debian 12's docker-compose is written for Debian 12's Python")
def test_compose_file_parses_under_debian_12s_docker_compose() -> None:
    """Docker-compose 1.29, the one that Debian 12 ships, takes the file and finds all services."""
    folders = [_unpacked(package, "bookworm") / "usr/lib/python3/dist-packages" for package in OLD_COMPOSE.split()]
    env = {"PYTHONPATH": ":".join(map(str, folders)), "PATH": "/usr/bin:/bin"}
    document = _check_config([sys.executable, "-W", "ignore", "-m", "compose"], env)
    assert sorted(document["services"]) == NAMES


def test_compose_file_parses_under_the_current_docker_compose() -> None:
    """Docker compose 2, which needs no engine to check a file, takes it and finds all services."""
    plugin = _unpacked("docker-compose", "trixie") / "usr/libexec/docker/cli-plugins/docker-compose"
    assert sorted(_check_config([str(plugin)])["services"]) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_compose_image_is_pinned(name: str) -> None:
    """A pull next year gives the same program: every tag is a full version."""
    assert re.fullmatch(r"[\w/.-]+:v?\d+\.\d+\.\d+", SERVICES[name]["image"])


@pytest.mark.parametrize("name", NAMES)
def test_compose_port_is_bound_to_loopback_and_is_the_programs_own(name: str) -> None:
    """One port a service, reachable from this machine alone, and the one that the program listens on."""
    assert SERVICES[name]["ports"] == [f"127.0.0.1:{PORTS[name]}:{PORTS[name]}"]


@pytest.mark.parametrize("name", NAMES)
def test_compose_service_runs_without_rights(name: str) -> None:
    """A numeric user that is not root, a read-only root, no capability, a bound on memory, no Docker socket."""
    found = SERVICES[name]
    assert re.fullmatch(r"[1-9]\d*:\d+", found["user"])
    assert (found["read_only"], found["cap_drop"]) == (True, ["ALL"])
    assert found["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"\d+m", found["mem_limit"])
    assert not [volume for volume in found["volumes"] if "docker.sock" in volume]


@pytest.mark.parametrize("name", NAMES)
def test_compose_mount_exists(name: str) -> None:
    """Every mounted path is in the repository, or a declared volume."""
    declared = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["volumes"]
    for volume in SERVICES[name]["volumes"]:
        source, target = volume.split(":")[:2]
        assert (ROOT / source).exists() if source.startswith("./") else source in declared
        assert target.startswith("/")


@pytest.mark.parametrize("name", NAMES)
def test_compose_health_check_asks_the_programs_own_port(name: str) -> None:
    """The health check asks the port and path at which the program says that it is ready."""
    assert f"http://127.0.0.1:{PORTS[name]}{READY_PATHS[name]}" in SERVICES[name]["healthcheck"]["test"][-1]


@pytest.mark.parametrize("name", NAMES)
def test_compose_dependency_waits_for_health(name: str) -> None:
    """A service starts when what it needs is healthy, and that has a health check."""
    for needed, how in SERVICES[name].get("depends_on", {}).items():
        assert how == {"condition": "service_healthy"}
        assert "healthcheck" in SERVICES[needed]


@pytest.mark.parametrize("name", ["prometheus", "alertmanager"])
def test_compose_flag_is_known_to_the_program(name: str) -> None:
    """Every flag given to Prometheus and Alertmanager is one that the program knows."""
    help_text = subprocess.run([find(name), "--help"], capture_output=True, text=True, check=False)
    for flag in SERVICES[name]["command"]:
        assert f"{flag.partition('=')[0]}=" in help_text.stdout + help_text.stderr


def test_compose_flags_of_our_daemons_parse() -> None:
    """Every flag given to our own daemons, in compose file and image, is one that they take."""
    for name in ("exporter", "alert_handler"):
        for arguments in (SERVICES[name]["command"], json.loads(_last(name, "CMD"))):
            done = subprocess.run(
                [sys.executable, "-m", name, *arguments, "--help"], cwd=ROOT, capture_output=True, check=False
            )
            assert done.returncode == 0, done.stderr


def test_compose_demo_command_parses() -> None:
    """The demo image's default command is one that the service takes."""
    args = service._arguments().parse_args(json.loads(_last("demo", "CMD")))
    assert args.listen == f"0.0.0.0:{PORTS['demo']}"


def test_compose_grafana_has_no_password() -> None:
    """Anonymous viewers only: no login form, no admin, no password anywhere; Grafana calls nobody."""
    env = SERVICES["grafana"]["environment"]
    assert not [key for key in env if "PASSWORD" in key]
    assert env["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert env["GF_AUTH_DISABLE_LOGIN_FORM"] == env["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"


def test_compose_grafana_variables_of_the_provisioning_are_set() -> None:
    """Each variable that the provisioning files read has a value, and the home board lies where boards are mounted."""
    env = SERVICES["grafana"]["environment"]
    files = (ROOT / "grafana" / "provisioning").rglob("*.yml")
    wanted = {name for file in files for name in re.findall(r"\$\{(\w+)\}", file.read_text(encoding="utf-8"))}
    assert wanted <= set(env)
    home = env["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"].replace(env["NIGHTSHIFT_BOARDS"], "grafana/generated")
    assert (ROOT / home).is_file()


def test_compose_prometheus_configuration_is_valid_as_mounted(tmp_path: Path) -> None:
    """Promtool accepts the tree that the container sees, and every rule file is found in it."""
    for volume in SERVICES["prometheus"]["volumes"]:
        source, target = volume.split(":")[:2]
        if source.startswith("./"):
            link = tmp_path / target.lstrip("/")
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(ROOT / source)
    argv = [find("promtool"), "check", "config", tmp_path / "etc/prometheus/prometheus.yml"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(list((ROOT / 'prometheus/rules').glob('*.rules.yml')))} rule files found" in done.stdout


def test_compose_alertmanager_configuration_is_valid() -> None:
    """Amtool accepts Alertmanager's file."""
    argv = [find("amtool"), "check-config", compose_configs.FOLDER / "alertmanager.yml"]
    assert subprocess.run(argv, capture_output=True, check=False).returncode == 0


def test_compose_exporter_configuration_is_valid() -> None:
    """The exporter takes its file."""
    path = compose_configs.FOLDER / "exporter.yml"
    assert set(exporter.config.load(path, exporter.config.known_collectors()).collectors) >= {"health", "traffic"}


def test_compose_handler_configuration_is_valid() -> None:
    """The alert handler takes its file, and cleans only folders that are mounted into it."""
    path = compose_configs.FOLDER / "alert_handler.yml"
    argv = [sys.executable, "-m", "alert_handler", "--config.check", "--config.file", str(path)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    mounted = {volume.split(":")[1] for volume in SERVICES["alert_handler"]["volumes"]}
    roots = yaml.safe_load(path.read_text(encoding="utf-8"))["remediations"]["cleanup"]["roots"]
    assert {root["path"] for root in roots.values()} <= mounted


@pytest.mark.parametrize("name", sorted(BUILT))
def test_dockerfile_agrees_with_compose(name: str) -> None:
    """User, port and health check are the same in image and compose file; the entry point is the program."""
    assert _last(name, "USER") == SERVICES[name]["user"]
    assert _last(name, "EXPOSE") == str(PORTS[name])
    assert f"127.0.0.1:{PORTS[name]}{READY_PATHS[name]}" in _last(name, "HEALTHCHECK")
    module = "demo.service" if name == "demo" else name
    assert json.loads(_last(name, "ENTRYPOINT")) == ["python", "-m", module]


@pytest.mark.parametrize("name", sorted(BUILT))
def test_dockerfile_copies_what_exists_and_reaches_the_builder(name: str) -> None:
    """Every copied path is in the repository, and .dockerignore lets it through."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_through = [line.removeprefix("!") for line in lines if line.startswith("!")]
    for word, rest in _dockerfile(name):
        if word == "COPY" and not rest.startswith("--from"):
            for source in shlex.split(rest)[:-1]:
                assert (ROOT / source).exists()
                assert any(f"{source}/".startswith(f"{allowed}/") for allowed in let_through)


@pytest.mark.parametrize("name", sorted(BUILT))
def test_dockerfile_base_is_pinned(name: str) -> None:
    """The base image is one exact release of Python on one release of Debian."""
    bases = [rest for word, rest in _dockerfile(name) if word == "FROM"]
    assert all(re.fullmatch(r"python:\d+\.\d+\.\d+-slim-\w+( AS \w+)?", base) for base in bases)


@pytest.mark.parametrize("name", sorted(BUILT))
def test_dockerfile_copied_files_are_all_that_the_program_needs(name: str, tmp_path: Path) -> None:
    """The program starts from what the image holds: no package beside its own and the chassis is needed."""
    for word, rest in _dockerfile(name):
        if word == "COPY" and not rest.startswith("--from") and "pyproject.toml" not in rest:
            *sources, target = shlex.split(rest)
            _copy(sources, tmp_path / target)
    check = ["serve", "--help"] if name == "demo" else ["--config.check"]
    # Without .pth files (-S): an editable installation of the project would lend what was not copied.
    argv = [sys.executable, "-S", *json.loads(_last(name, "ENTRYPOINT"))[1:], *check]
    env = {"PYTHONPATH": sysconfig.get_path("purelib")}
    done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["exporter", "alert_handler"])
def test_dockerfile_installs_the_dependencies_of_pyproject(name: str) -> None:
    """The line that reads the dependencies out of pyproject.toml gives exactly those."""
    (command,) = [rest for word, rest in _dockerfile(name) if word == "RUN" and "tomllib" in rest]
    reading = command.partition(">")[0]
    done = subprocess.run(
        ["sh", "-c", reading.replace("python", sys.executable, 1)], cwd=ROOT, capture_output=True, check=True
    )
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    assert done.stdout.decode().splitlines() == wanted


def _copy(sources: list[str], target: Path) -> None:
    """What COPY does: a folder's content, or files, into the target."""
    for source in sources:
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, target, dirs_exist_ok=True)
        else:
            target.mkdir(exist_ok=True)
            shutil.copy(ROOT / source, target)
