"""The metrics of `/probe` that several probers have, by blackbox_exporter's names, so that its boards go on working."""

import zlib
from functools import cache

from exporter.families import Family, Metric
from exporter.probing.attempt import Attempt, TlsFacts

SUCCESS = Metric("probe_success", "gauge", "1 if the probe succeeded, else 0.")
DURATION = Metric("probe_duration_seconds", "gauge", "Seconds that the probe took.")
LOOKUP = Metric("probe_dns_lookup_time_seconds", "gauge", "Seconds that resolving the target's name took.")
PROTOCOL = Metric("probe_ip_protocol", "gauge", "4 or 6: the version of IP that was used, 0 before one was.")
ADDRESS_HASH = Metric("probe_ip_addr_hash", "gauge", "A number made of the address; it changes when that does.")
BY_PATTERN = Metric("probe_failed_due_to_regex", "gauge", "1 if a regular expression decided that the probe failed.")
REASON = Metric("probe_failure_reason_info", "gauge", "Why the probe failed, from a fixed set of reasons.", ["reason"])
STEP = Metric("probe_failed_step", "gauge", "Number of the step at which the probe failed, 0 if none did.")
EARLIEST_EXPIRY = Metric(
    "probe_ssl_earliest_cert_expiry", "gauge", "Unix time in seconds at which the first certificate of the chain ends."
)
CHAIN_EXPIRY = Metric(
    "probe_ssl_last_chain_expiry_timestamp_seconds",
    "gauge",
    "Unix time in seconds at which the verified chain ends, 0 if it was not verified.",
)
CHAIN_INFO = Metric(
    "probe_ssl_last_chain_info",
    "gauge",
    "The certificate of the target.",
    ["fingerprint_sha256", "subject", "issuer", "subjectalternative", "serialnumber"],
)
TLS_VERSION = Metric("probe_tls_version_info", "gauge", "The version of TLS that was spoken.", ["version"])
TLS_CIPHER = Metric("probe_tls_cipher_info", "gauge", "The cipher suite that was spoken.", ["cipher"])

_AF_INET = 2


def families(attempt: Attempt) -> list[Family]:
    """What every probe has to say."""
    found = [
        Family(SUCCESS, attempt.ok),
        Family(DURATION, attempt.duration),
        Family(LOOKUP, attempt.phases.get("resolve", 0.0)),
        Family(PROTOCOL, (4 if attempt.family == _AF_INET else 6) if attempt.family else 0),
        Family(ADDRESS_HASH, zlib.crc32(attempt.address.encode())),
        Family(STEP, 0 if attempt.ok else attempt.step),
    ]
    if not attempt.ok:
        found.append(labelled(REASON, 1, attempt.reason))
    return found + (_tls(attempt.tls) if attempt.tls else [])


def labelled(metric: Metric, value: float, *labels: str) -> Family:
    """A family of one sample."""
    family = Family(metric)
    family.add(value, *labels)
    return family


def phases(metric: Metric, attempt: Attempt, names: tuple[str, ...]) -> Family:
    """A family of the seconds of each phase; a phase that was not reached took none."""
    family = Family(metric)
    spent = attempt.phases
    family.samples = {prefix: spent.get(name, 0.0) for prefix, name in _phase_prefixes(metric, names)}
    return family


@cache
def _phase_prefixes(metric: Metric, names: tuple[str, ...]) -> list[tuple[str, str]]:
    """The rendered name and label of each phase, and the phase."""
    return [(metric.prefixes[name,], name) for name in names]


def _tls(facts: TlsFacts) -> list[Family]:
    found = [labelled(TLS_VERSION, 1, facts.version), labelled(TLS_CIPHER, 1, facts.cipher)]
    if facts.chain:
        leaf = facts.chain[0]
        names = ",".join(leaf.names)
        found += [
            Family(EARLIEST_EXPIRY, facts.earliest_expiry),
            Family(CHAIN_EXPIRY, facts.earliest_expiry if facts.verified else 0),
            labelled(CHAIN_INFO, 1, leaf.fingerprint, leaf.subject, leaf.issuer, names, leaf.serial),
        ]
    return found
