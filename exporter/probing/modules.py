"""Modules: what is probed and how, as in blackbox_exporter's configuration; the list of the probers."""

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from exporter.probing import dns, http, http_request, icmp, tcp
from exporter.probing.dns import DnsOptions
from exporter.probing.http_options import HttpOptions
from exporter.probing.icmp import IcmpOptions
from exporter.probing.run import Plan, Prober
from exporter.probing.settings import known_secret, seconds
from exporter.probing.tcp import Exchange, TcpOptions

PROBERS: Final[Mapping[str, Prober]] = {
    "http": http.PROBER,
    "tcp": tcp.PROBER,
    "dns": dns.PROBER,
    "icmp": icmp.PROBER,
}
#: Phases that any prober times, in the order in which they come.
PHASES: Final = ("resolve", "setup", "connect", "tls", "processing", "rtt", "transfer")


class Module(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A way to probe.

    Attributes:
        prober: what kind of probe.
        timeout: seconds (or `5s`) after which it has failed; 0 leaves it to whoever asks, 10 on the own schedule.
        interval: seconds between two runs on the own schedule; 0 for that of the section.
        http: options of the prober `http`.
        tcp: options of the prober `tcp`.
        dns: options of the prober `dns`.
        icmp: options of the prober `icmp`.
    """

    prober: Literal["http", "tcp", "dns", "icmp"]
    timeout: float | str = 0
    interval: float | str = 0
    http: HttpOptions = HttpOptions()
    tcp: TcpOptions = TcpOptions()
    dns: DnsOptions = DnsOptions()
    icmp: IcmpOptions = IcmpOptions()

    def __post_init__(self) -> None:
        for name in ("timeout", "interval"):
            if not 0 <= seconds(getattr(self, name)) <= 3600:
                raise ValueError(f"{name} is {getattr(self, name)}; write 0 to 3600 seconds")

    @property
    def kind(self) -> Prober:
        """The prober."""
        return PROBERS[self.prober]

    def plan(self, target: str) -> Plan:
        """What to do with *target*.

        Raises:
            ValueError: it is no target for this prober.
        """
        return self.kind.prepare(target, getattr(self, self.prober))

    def secrets(self) -> list[str]:
        """The secrets that stand in the module itself; what it shows or keeps must be without them."""
        options = self.http
        safe = http_request.harmless(options.headers)
        found = [value for name, value in options.headers.items() if name not in safe and name.lower() != "host"]
        if options.basic_auth is not None:
            password = options.basic_auth.password or known_secret(options.basic_auth.password_file)
            found += [password, http_request.basic(options.basic_auth.username, password).removeprefix("Basic ")]
        return [*found, options.bearer_token, known_secret(options.bearer_token_file), options.body]

    def asked_as(self, hostname: str) -> "Module":
        """This module, asking for the host *hostname* whatever address is the target, as blackbox_exporter does.

        Raises:
            ValueError: *hostname* is none, or the module asks for another.
        """
        if self.prober == "http":
            known = http.named_host(self.http.headers)
            if not hostname.isprintable() or known not in ("", http.named_host({"Host": hostname})):
                raise ValueError(f"hostname is {hostname[:200]!r}, and the module's Host header {known!r}")
            others = {name: value for name, value in self.http.headers.items() if name.lower() != "host"}
            options = msgspec.structs.replace(self.http, headers={**others, "Host": hostname})
            return msgspec.structs.replace(self, http=options)
        if self.prober == "tcp" and not self.tcp.tls_config.server_name:
            config = msgspec.structs.replace(self.tcp.tls_config, server_name=hostname)
            return msgspec.structs.replace(self, tcp=msgspec.structs.replace(self.tcp, tls_config=config))
        return self

    def shown(self) -> dict[str, Any]:
        """The prober and those of its options that differ from the defaults."""
        options = getattr(self, self.prober)
        default = msgspec.to_builtins(type(options)())
        given = {key: value for key, value in msgspec.to_builtins(options).items() if value != default[key]}
        return {"prober": self.prober, "timeout": self.timeout, self.prober: given}


#: What is there without a word in the configuration; a module of the same name replaces one.
DEFAULTS: Final[Mapping[str, Module]] = {
    "http_2xx": Module("http"),
    "http_post_2xx": Module("http", http=HttpOptions(method="POST")),
    "tcp_connect": Module("tcp"),
    "tls_connect": Module("tcp", tcp=TcpOptions(tls=True)),
    "ssh_banner": Module("tcp", tcp=TcpOptions(query_response=(Exchange(expect="^SSH-2.0-"),))),
    "dns_soa": Module("dns", dns=DnsOptions(query_name=".", query_type="SOA")),
    "icmp": Module("icmp"),
}
