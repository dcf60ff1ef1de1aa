"""TLS settings of a module as contexts, which are kept: to load the system's authorities takes 20 ms."""

import ssl
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal

import msgspec

from exporter.probing.attempt import ProbeFailed

Version = Literal["TLS10", "TLS11", "TLS12", "TLS13"]
_VERSIONS: Final = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}


class TlsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How TLS is spoken.

    Attributes:
        ca_file: authorities that are trusted, PEM; empty for the system's.
        cert_file: the certificate that is shown, PEM.
        key_file: its key.
        server_name: the name that is asked for and verified; empty for the target's.
        insecure_skip_verify: take any certificate.
        min_version: the oldest version that is spoken.
        max_version: the newest version that is spoken.
    """

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    server_name: str = ""
    insecure_skip_verify: bool = False
    min_version: Version = "TLS12"
    max_version: Version = "TLS13"

    def __post_init__(self) -> None:
        if self.key_file and not self.cert_file:
            raise ValueError("key_file needs a cert_file")


def context(config: TlsConfig) -> ssl.SSLContext:
    """The context for *config*; made anew when one of its files has changed.

    Raises:
        ProbeFailed: a file cannot be used (`secret`).
    """
    files = [file for file in (config.ca_file, config.cert_file, config.key_file) if file]
    try:
        return _context(config, tuple(Path(file).stat().st_mtime_ns for file in files))
    except (OSError, ValueError) as error:
        raise ProbeFailed("secret", f"the files of tls_config cannot be used: {error}") from error


@lru_cache(maxsize=128)
def _context(config: TlsConfig, _changed: tuple[int, ...]) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=config.ca_file or None)
    if config.insecure_skip_verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    made.minimum_version = _VERSIONS[config.min_version]
    made.maximum_version = _VERSIONS[config.max_version]
    if config.cert_file:
        made.load_cert_chain(config.cert_file, config.key_file or None)
    return made
