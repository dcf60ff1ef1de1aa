"""The DNS prober: the target is a name server, which is asked one question."""

from typing import Literal

import msgspec

from exporter.families import Family, Metric
from exporter.probing import dns_messages, resolving
from exporter.probing.attempt import Attempt
from exporter.probing.blackbox_metrics import BY_PATTERN
from exporter.probing.dns_messages import DnsMalformed, Message, Record
from exporter.probing.engine import Task
from exporter.probing.resolving import Question, Wish, socket_address
from exporter.probing.run import Prober, Run
from exporter.probing.settings import check_patterns, host_and_port, matches
from exporter.probing.streams import Address, Stream
from exporter.probing.tls import TlsConfig

PHASES = ("resolve", "connect", "tls", "processing")
_TLS_PORT = 853
#: A question that was lost on its way is asked again after as long.
_REPEAT_SECONDS = 2.0

SECONDS = Metric("probe_dns_duration_seconds", "gauge", "Seconds of the question by phase.", ["phase"])
ANSWERS = Metric("probe_dns_answer_rrs", "gauge", "Records in the answer section.")
AUTHORITIES = Metric("probe_dns_authority_rrs", "gauge", "Records in the authority section.")
ADDITIONAL = Metric("probe_dns_additional_rrs", "gauge", "Records in the additional section.")
SUCCEEDED = Metric("probe_dns_query_succeeded", "gauge", "1 if a well-formed answer came, else 0.")
SERIAL = Metric("probe_dns_serial", "gauge", "Serial number of the zone, of a question for SOA.")


class RecordRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the records of a section must be, by regular expressions for `name<tab>ttl<tab>IN<tab>type<tab>data`.

    Attributes:
        fail_if_matches_regexp: fail where any record matches one of these.
        fail_if_all_match_regexp: fail where every record matches one of these.
        fail_if_not_matches_regexp: fail where any record does not match one of these, or where there is no record.
        fail_if_none_matches_regexp: fail where no record matches any of these.
    """

    fail_if_matches_regexp: tuple[str, ...] = ()
    fail_if_all_match_regexp: tuple[str, ...] = ()
    fail_if_not_matches_regexp: tuple[str, ...] = ()
    fail_if_none_matches_regexp: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_patterns(*self.fail_if_matches_regexp, *self.fail_if_all_match_regexp)
        check_patterns(*self.fail_if_not_matches_regexp, *self.fail_if_none_matches_regexp)

    def broken(self, records: tuple[Record, ...]) -> str:
        """The first rule that *records* break, as a sentence; empty where they break none."""
        rules = (
            (self.fail_if_matches_regexp, any, "a record matches"),
            (self.fail_if_all_match_regexp, lambda hits: bool(hits) and all(hits), "all records match"),
            # A zone that lost its records must not pass because none of them is wrong.
            (self.fail_if_not_matches_regexp, lambda hits: not (hits and all(hits)), "no records, or one without"),
        )
        for patterns, fails, text in rules:
            for pattern in patterns:
                if fails(_hits(pattern, records)):
                    return f"{text} {pattern!r}"
        wanted = self.fail_if_none_matches_regexp
        if wanted and not any(any(_hits(pattern, records)) for pattern in wanted):
            return f"no record matches {' or '.join(map(repr, wanted))}"
        return ""


def _hits(pattern: str, records: tuple[Record, ...]) -> list[bool]:
    """Which of *records* match *pattern*."""
    return [matches(pattern, str(record)) for record in records]


class DnsOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The options of the DNS prober; the keys are blackbox_exporter's.

    Attributes:
        query_name: what is asked for.
        query_type: which records of it.
        recursion_desired: whether the server is to ask others.
        valid_rcodes: codes that are well; empty for NOERROR.
        validate_answer_rrs: what the answer must be.
        validate_authority_rrs: what the authority section must be.
        validate_additional_rrs: what the additional section must be.
        transport_protocol: how it is asked.
        dns_over_tls: ask over TLS (port 853 by default).
        tls_config: how TLS is spoken.
        preferred_ip_protocol: whose addresses are tried.
        ip_protocol_fallback: whether the other one's will do.
    """

    query_name: str = "."
    query_type: str = "SOA"
    recursion_desired: bool = True
    valid_rcodes: tuple[str, ...] = ()
    validate_answer_rrs: RecordRules = RecordRules()
    validate_authority_rrs: RecordRules = RecordRules()
    validate_additional_rrs: RecordRules = RecordRules()
    transport_protocol: Literal["udp", "tcp"] = "udp"
    dns_over_tls: bool = False
    tls_config: TlsConfig = TlsConfig()
    preferred_ip_protocol: Literal["ip4", "ip6"] = "ip6"
    ip_protocol_fallback: bool = True

    def __post_init__(self) -> None:
        dns_messages.query(0, self.query_name, self.query_type)
        for code in self.valid_rcodes:
            if code not in dns_messages.RCODES.values():
                raise ValueError(f"valid_rcodes: {code!r} is none of {', '.join(dns_messages.RCODES.values())}")


class DnsPlan:
    """One name server, `HOST` or `HOST:PORT`, under one module's *options*.

    Raises:
        ValueError: the target is no host.
    """

    def __init__(self, target: str, options: DnsOptions) -> None:
        default = _TLS_PORT if options.dns_over_tls else resolving.DNS_PORT
        self._host, self._port = host_and_port(target, default)
        self._options = options
        self._wish = Wish(options.preferred_ip_protocol, options.ip_protocol_fallback)
        self._question = Question(options.query_name, options.query_type, options.recursion_desired)

    def __call__(self, run: Run) -> Task[None]:
        """Ask and judge.

        Raises:
            ProbeFailed, OSError: the probe failed.
        """
        family, address = yield from run.resolve(self._host, self._wish)
        try:
            message = yield from self._exchange(run, socket_address(family, address, self._port))
        except DnsMalformed as error:
            raise run.fail("protocol", f"no valid DNS answer: {error}") from error
        run.attempt.facts = message
        run.attempt.snippet = "\n".join(map(str, message.answers))[:1024].encode("utf-8", "replace")
        run.note("{}, {} answers", message.rcode, len(message.answers))
        self._judge(run, message)

    def _exchange(self, run: Run, address: Address) -> Task[Message]:
        if self._options.transport_protocol == "tcp" or self._options.dns_over_tls:
            return (yield from self._by_stream(run, address))
        began = run.enter("processing")
        try:
            while True:
                until = run.loop.now() + _REPEAT_SECONDS
                message = yield from resolving.ask_by_udp(run.loop, address, self._question, until)
                if message is not None:
                    return message
                run.note("no answer within {:g} s, asking again", _REPEAT_SECONDS)
        finally:
            run.attempt.spend("processing", run.loop.now() - began)

    def _by_stream(self, run: Run, address: Address) -> Task[Message]:
        with Stream(run.loop, address[0]) as stream:
            yield from run.connect(stream, address[1][0], self._port)
            if self._options.dns_over_tls:
                config = self._options.tls_config
                yield from run.secure(stream, config, config.server_name or self._host)
            began = run.enter("processing")
            try:
                return (yield from resolving.ask_on(stream, self._question))
            finally:
                run.attempt.spend("processing", run.loop.now() - began)

    def _judge(self, run: Run, message: Message) -> None:
        options = self._options
        run.enter("check")
        wanted = options.valid_rcodes or ("NOERROR",)
        if message.rcode not in wanted:
            raise run.fail("rcode", f"the server answers {message.rcode}, wanted is {' or '.join(wanted)}")
        sections = (
            ("answer", options.validate_answer_rrs, message.answers),
            ("authority", options.validate_authority_rrs, message.authorities),
            ("additional", options.validate_additional_rrs, message.additional),
        )
        for name, rules, records in sections:
            broken = rules.broken(records)
            if broken:
                raise run.fail("answer", f"{name} section: {broken}", by_pattern=True)


def families(attempt: Attempt) -> list[Family]:
    """What only a DNS probe has to say."""
    message = attempt.facts if isinstance(attempt.facts, Message) else None
    times = Family(SECONDS)
    for phase, name in (("resolve", "resolve"), ("connect", "connect"), ("processing", "request")):
        times.add(attempt.phases.get(phase, 0.0), name)
    found = [
        times,
        Family(ANSWERS, len(message.answers) if message else 0),
        Family(AUTHORITIES, len(message.authorities) if message else 0),
        Family(ADDITIONAL, len(message.additional) if message else 0),
        Family(SUCCEEDED, message is not None),
        Family(BY_PATTERN, attempt.by_pattern),
    ]
    serial = next((each.data.split()[2] for each in message.answers if each.kind == "SOA"), "") if message else ""
    return [*found, Family(SERIAL, int(serial))] if serial else found


PROBER = Prober(DnsPlan, families, PHASES)
