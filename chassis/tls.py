"""The TLS of a server, made from its configuration: at least 1.2, with client certificates where asked for."""

import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from chassis.config_file import ConfigInvalid
from chassis.web_config import CIPHERS, CURVES, TlsServerConfig

_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}


@dataclass(frozen=True, slots=True)
class ServerTls:
    """What a connection is made with.

    Attributes:
        context: OpenSSL's settings.
        allowed_names: of which a client's certificate must carry one; empty for any certificate that verifies.
    """

    context: ssl.SSLContext
    allowed_names: frozenset[str]


def server_tls(config: TlsServerConfig) -> ServerTls:
    """The TLS that *config* describes.

    Raises:
        ConfigInvalid: a certificate or key cannot be read, or they do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[config.min_version]
    context.maximum_version = _VERSIONS[config.max_version]
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    if config.prefer_server_cipher_suites:
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    if config.cipher_suites:
        context.set_ciphers(":".join(CIPHERS[suite] for suite in config.cipher_suites))
    for curve in config.curve_preferences:
        context.set_ecdh_curve(CURVES[curve])
    _load_chain(context, config)
    _ask_clients(context, config)
    return ServerTls(context, frozenset(config.client_allowed_sans))


def _load_chain(context: ssl.SSLContext, config: TlsServerConfig) -> None:
    try:
        context.load_cert_chain(config.cert_file, config.key_file, _no_password)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or getattr(error, "reason", None) or error
        problem = f"tls_server_config: {config.cert_file} and {config.key_file}: {why}"
        raise ConfigInvalid(f"{problem}; give a PEM certificate and its key, which this user may read") from error


def _no_password() -> str:
    """Asked for only where the key has a password; without this OpenSSL would ask on the terminal."""
    raise ValueError("the key has a password; store it without one")


def _ask_clients(context: ssl.SSLContext, config: TlsServerConfig) -> None:
    if not config.client_ca_file:
        return
    try:
        context.load_verify_locations(config.client_ca_file)
    except OSError as error:
        why = error.strerror or getattr(error, "reason", "no certificate in it")
        raise ConfigInvalid(f"tls_server_config: client_ca_file {config.client_ca_file}: {why}") from error
    must = config.client_auth_type == "RequireAndVerifyClientCert"
    context.verify_mode = ssl.CERT_REQUIRED if must else ssl.CERT_OPTIONAL


def names_of(certificate: Mapping[str, Any] | None) -> Iterable[str]:
    """The alternative names (DNS, IP, e-mail, URI) of a certificate as `ssl` describes it."""
    return [value for _, value in (certificate or {}).get("subjectAltName", ())]
