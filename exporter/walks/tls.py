"""How TLS is spoken to a target."""

import ssl
import threading
from pathlib import Path

import msgspec

from exporter.walks.message import StepFailed


class TlsRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """TLS settings; without any, the machine's own certificates decide whom to trust.

    Attributes:
        ca_file: certificates to trust instead of the machine's.
        cert_file: the client's certificate.
        key_file: its key, where that is not in *cert_file*; without a passphrase.
        server_name: the name that the certificate must be for, where it is not the URL's.
        insecure_skip_verify: true trusts every certificate.
    """

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    server_name: str = ""
    insecure_skip_verify: bool = False

    def __post_init__(self) -> None:
        if self.key_file and not self.cert_file:
            raise ValueError("key_file is given without cert_file")


class TlsContexts:
    """The contexts of rules, each made when first needed and anew when one of its files has changed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[TlsRule, tuple[tuple[int, ...], ssl.SSLContext]] = {}

    def get(self, rule: TlsRule) -> ssl.SSLContext:
        """The context of *rule*.

        Raises:
            StepFailed: a file cannot be used (reason `tls`).
        """
        with self._lock:
            try:
                versions = tuple(Path(name).stat().st_mtime_ns for name in _files(rule))
                kept = self._kept.get(rule)
                if kept is None or kept[0] != versions:
                    self._kept[rule] = kept = (versions, _context(rule))
            except (OSError, ValueError) as error:
                files = ", ".join(_files(rule))
                raise StepFailed("tls", f"the TLS files {files} cannot be used: {error}") from error
            return kept[1]


#: One for the process: a context that trusts the machine's certificates takes megabytes.
CONTEXTS = TlsContexts()


def _files(rule: TlsRule) -> list[str]:
    return [name for name in (rule.ca_file, rule.cert_file, rule.key_file) if name]


def _context(rule: TlsRule) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=rule.ca_file or None)
    if rule.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if rule.cert_file:
        # OpenSSL would ask for a passphrase on the terminal.
        context.load_cert_chain(rule.cert_file, rule.key_file or None, password=lambda: "")
    return context
