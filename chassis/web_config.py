"""The file of `--web.config.file`, in the format of Prometheus' exporter-toolkit: TLS, users, headers, a rate limit.

https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md. What it can say and Python
cannot do is an error that says what to write instead; nothing is silently weaker than what was asked for.
"""

import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from chassis import config_file
from chassis.config_file import nearest

#: A check takes 2**cost rounds: 10 is 70 ms, 14 is a second, 31 is a day.
MAX_BCRYPT_COST = 14
_BCRYPT = re.compile(r"\$2[abxy]\$(\d\d)\$[./A-Za-z0-9]{53}")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}

#: Go's names of the cipher suites of TLS 1.2 -> OpenSSL's. Those of TLS 1.3 cannot be chosen, in Go neither.
CIPHERS = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
}
CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}
HEADERS = (
    "Content-Security-Policy",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-XSS-Protection",
)
ClientAuth = Literal[
    "", "NoClientCert", "RequestClientCert", "RequireAnyClientCert", "VerifyClientCertIfGiven",
    "RequireAndVerifyClientCert",
]  # fmt: skip


class TlsServerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the server speaks TLS; paths are relative to the file.

    Attributes:
        cert_file: its certificate, PEM, with the chain after it.
        key_file: its private key, PEM, without a password.
        client_auth_type: whether a client must show a certificate of *client_ca_file*.
        client_ca_file: the authorities that clients' certificates are checked against.
        client_allowed_sans: of which alternative names (DNS, IP, e-mail, URI) one must be in a client's certificate.
        min_version: TLS12 or TLS13.
        max_version: TLS12 or TLS13.
        cipher_suites: those of TLS 1.2 that are offered, in Go's names; all that are safe where empty.
        prefer_server_cipher_suites: the order of the server's counts.
        curve_preferences: the one curve that is offered; all that are safe where empty.
    """

    cert_file: str = ""
    key_file: str = ""
    client_auth_type: ClientAuth = ""
    client_ca_file: str = ""
    client_allowed_sans: tuple[str, ...] = ()
    min_version: str = "TLS12"
    max_version: str = "TLS13"
    cipher_suites: tuple[str, ...] = ()
    prefer_server_cipher_suites: bool = True
    curve_preferences: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (self.cert_file and self.key_file):
            raise ValueError("cert_file and key_file are both needed")
        if self.client_auth_type in ("RequestClientCert", "RequireAnyClientCert"):
            problem = f"client_auth_type {self.client_auth_type} takes certificates that nobody checks"
            raise ValueError(f"{problem}; write VerifyClientCertIfGiven or RequireAndVerifyClientCert")
        if bool(self.client_ca_file) != (self.client_auth_type in ("VerifyClientCertIfGiven", *_MUST)):
            raise ValueError("client_ca_file and a client_auth_type that verifies go together")
        if self.client_allowed_sans and self.client_auth_type not in _MUST:
            raise ValueError("client_allowed_sans needs client_auth_type RequireAndVerifyClientCert")
        _check_words("min_version", (self.min_version, self.max_version), ("TLS12", "TLS13"))
        _check_words("cipher_suites", self.cipher_suites, CIPHERS)
        _check_words("curve_preferences", self.curve_preferences, CURVES)
        if self.min_version > self.max_version:
            raise ValueError("min_version is above max_version")
        if len(self.curve_preferences) > 1:
            raise ValueError("curve_preferences: name one curve, or none for all")


class HttpServerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What every answer carries.

    Attributes:
        http2: taken for the format's sake; this server speaks HTTP/1.1, which every client of HTTP/2 speaks too.
        headers: security headers, of those that the format knows.
    """

    http2: bool = True
    headers: dict[str, str] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_words("headers", self.headers, HEADERS)
        for name, value in self.headers.items():
            if not (value.isascii() and value.isprintable()):
                raise ValueError(f"headers.{name} has characters that no header may have")


class RateLimit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many requests are answered.

    Attributes:
        interval: one more each, such as `100ms`; 0 for no limit.
        burst: at once.
    """

    interval: str = "0s"
    burst: Annotated[int, msgspec.Meta(ge=1)] = 1

    def __post_init__(self) -> None:
        if self.interval != "0" and not _DURATION.fullmatch(self.interval):
            raise ValueError(f"interval is {self.interval!r}; write a duration such as 100ms or 1s")

    @property
    def seconds(self) -> float:
        """The interval in seconds."""
        found = _DURATION.fullmatch(self.interval)
        return float(found[1]) * _SECONDS[found[2]] if found else 0.0


class WebConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file.

    Attributes:
        tls_server_config: TLS; plain HTTP without it.
        http_server_config: headers.
        basic_auth_users: name -> bcrypt hash (`htpasswd -nBC 10 NAME`); everybody may ask without it.
        rate_limit: no limit without it.
    """

    tls_server_config: TlsServerConfig | None = None
    http_server_config: HttpServerConfig | None = None
    basic_auth_users: dict[str, str] | None = None
    rate_limit: RateLimit | None = None

    def __post_init__(self) -> None:
        for name, hashed in (self.basic_auth_users or {}).items():
            found = _BCRYPT.fullmatch(hashed)
            if not name or ":" in name:
                raise ValueError(f"basic_auth_users: {name!r} is no name: it may not be empty nor have a colon")
            if found is None:
                raise ValueError(f"basic_auth_users.{name} is no bcrypt hash; make one with: htpasswd -nBC 10 {name}")
            if int(found[1]) > MAX_BCRYPT_COST:
                raise ValueError(f"basic_auth_users.{name} has cost {found[1]}; make it with {MAX_BCRYPT_COST} at most")


def load(path: Path) -> WebConfig:
    """Read *path*; the files that it names are made relative to its folder.

    Raises:
        ConfigInvalid: the file cannot be read or does not fit.
    """
    config = config_file.load(path, WebConfig)
    tls = config.tls_server_config
    if tls is None:
        return config
    paths = {name: _beside(path, getattr(tls, name)) for name in ("cert_file", "key_file", "client_ca_file")}
    return msgspec.structs.replace(config, tls_server_config=msgspec.structs.replace(tls, **paths))


_MUST = ("RequireAndVerifyClientCert",)


def _beside(path: Path, name: str) -> str:
    return str(path.parent / name) if name else ""


def _check_words(key: str, given: Iterable[str], known: Collection[str]) -> None:
    for word in given:
        if word not in known:
            raise ValueError(f'{key}: "{word}" is not known{nearest(word, known)}')
