"""Where a server is, and how to be let in: what the rules of all protocols have in common."""

import ssl
from functools import lru_cache
from pathlib import Path

import msgspec

from chassis.secret_files import SecretUnusable, read_secret
from exporter.checks.outcome import CheckFailed
from exporter.checks.port import parse_port
from exporter.checks.wire import Wire


class Tls(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Speak TLS (1.2 or newer) with the server.

    Attributes:
        ca_file: the certificates that may vouch for the server; empty for the system's.
        server_name: whom the certificate must name; empty for the host of the address.
        verify: false takes any certificate: then a password goes to whoever answers.
        certificate_file: the client's certificate, where the server wants one.
        key_file: its key; empty where the certificate's file holds both.
    """

    ca_file: str = ""
    server_name: str = ""
    verify: bool = True
    certificate_file: str = ""
    key_file: str = ""

    def context(self) -> ssl.SSLContext:
        """The TLS settings; made anew only when a file has changed, because that takes 15 ms.

        Raises:
            CheckFailed: a file cannot be used.
        """
        files = filter(None, (self.ca_file, self.certificate_file, self.key_file))
        try:
            return _context(self, tuple(Path(file).stat().st_mtime_ns for file in files))
        except OSError as error:
            raise CheckFailed("tls", f"a certificate file cannot be used: {error}") from error


@lru_cache(maxsize=64)
def _context(tls: Tls, _changed: tuple[int, ...]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls.ca_file or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = tls.verify
    context.verify_mode = ssl.CERT_REQUIRED if tls.verify else ssl.CERT_NONE
    if tls.certificate_file:
        context.load_cert_chain(tls.certificate_file, tls.key_file or None)
    return context


class Endpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A server that is asked in its own protocol.

    Attributes:
        address: `HOST:PORT`, or the path of a unix socket.
        user: whom to log in as.
        password_file: a file, not readable by everybody, that holds the password; read at each check.
        tls: `{}` for TLS with the system's certificates; in clear without.
    """

    address: str | int
    user: str = ""
    password_file: str = ""
    tls: Tls | None = None

    def __post_init__(self) -> None:
        if not self.path:
            parse_port(self.address)

    @property
    def path(self) -> str:
        """The path of the unix socket; empty for TCP."""
        text = str(self.address)
        return text if text.startswith("/") else ""

    def connect(self, seconds: float) -> Wire:
        """A connection on which all is to be done within *seconds*; TLS has not begun.

        Raises:
            CheckFailed: there is none.
        """
        return Wire.open(self.path or parse_port(self.address), seconds)

    def secure(self, wire: Wire) -> None:
        """Go on with TLS, where it is configured.

        Raises:
            CheckFailed: it cannot be had.
        """
        if self.tls:
            name = self.tls.server_name or ("localhost" if self.path else parse_port(self.address)[0])
            wire.secure(self.tls.context(), name)

    def password(self) -> str | None:
        """The password; None where none is configured.

        Raises:
            CheckFailed: its file cannot be used.
        """
        if not self.password_file:
            return None
        try:
            return read_secret(self.password_file)
        except SecretUnusable as error:
            raise CheckFailed("error", str(error)) from error
