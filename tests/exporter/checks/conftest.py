"""What the tests of the checks share."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.checks.outcome import Outcome

Secret = Callable[[str], str]


@pytest.fixture
def secret(tmp_path: Path) -> Secret:
    """Keeps a password in a private file and gives its path."""

    def keep(text: str) -> str:
        path = tmp_path / f"secret-{text}"
        path.touch(mode=0o600)
        path.write_text(text)
        return str(path)

    return keep


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A certificate for 127.0.0.1 and its key."""
    folder = tmp_path_factory.mktemp("tls")
    files = (str(folder / "crt"), str(folder / "key"))
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    argv = ["openssl", "req", "-x509", *kind, *names, "-out", files[0], "-keyout", files[1]]
    try:
        subprocess.run(argv, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs the openssl program to make a certificate")
    return files


@pytest.fixture
def logged_in() -> Callable[[Outcome], bool]:
    """Whether a server let the check in, according to an outcome."""

    def tell(outcome: Outcome) -> bool:
        (value,) = [value for metric, value, _ in outcome.readings if metric.name.endswith("logged_in")]
        return bool(value)

    return tell
