from pathlib import Path

import bcrypt
import pytest
import trustme

from chassis import watched
from chassis.config_file import ConfigInvalid
from chassis.web_security import WebSecurity

HASH = bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the web configuration is, beside a certificate; changes count at once."""
    monkeypatch.setattr(watched, "INTERVAL_SECONDS", 0)
    _issue(tmp_path)
    return tmp_path / "web.yml"


def _issue(folder: Path) -> None:
    issued = trustme.CA().issue_cert("localhost")
    (folder / "pem").write_bytes(issued.private_key_pem.bytes() + issued.cert_chain_pems[0].bytes())


TLS = "tls_server_config: {cert_file: pem, key_file: pem}\n"


def test_empty_file_is_plain_http_for_everybody(file: Path) -> None:
    """Nothing is asked for."""
    file.write_text("")
    security = WebSecurity(file)
    assert security.channels is None
    assert security._state().rules.users is None


def test_no_users_left_means_nobody(file: Path) -> None:
    """An empty list of users is not the same as none: it is what exporter-toolkit does, and the safe reading."""
    file.write_text(f"basic_auth_users: {{a: {HASH}}}\n")
    security = WebSecurity(file)
    file.write_text("basic_auth_users: {}\n")
    assert security._state().rules.users is not None


def test_new_certificate_needs_no_restart(file: Path) -> None:
    """What certbot renews is used from the next connection on."""
    file.write_text(TLS)
    security = WebSecurity(file)
    before = security._tls()
    assert security._tls() is before
    _issue(file.parent)
    assert security._tls() is not before


@pytest.mark.parametrize("later", ["", "tls_server_config: {cert_file: none, key_file: pem}\n", "nonsense: 1\n"])
def test_file_that_cannot_be_used_later_leaves_tls_as_it_was(
    file: Path, later: str, caplog: pytest.LogCaptureFixture
) -> None:
    """No mistake in the file opens the server, nor closes it."""
    file.write_text(TLS)
    security = WebSecurity(file)
    before = security._tls()
    file.write_text(later)
    assert security._tls() is before
    assert "the old one stays in use" in caplog.text


def test_file_that_cannot_be_used_at_the_start_is_an_error(file: Path) -> None:
    """A daemon that was asked for TLS does not start without."""
    file.write_text(TLS.replace("pem", "none"))
    with pytest.raises(ConfigInvalid, match="none"):
        WebSecurity(file)
