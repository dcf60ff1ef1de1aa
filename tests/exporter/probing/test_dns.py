import struct

import msgspec
import pytest

from exporter.probing.asking import families
from exporter.probing.attempt import Attempt
from exporter.probing.dns import DnsOptions, RecordRules
from exporter.probing.modules import Module
from tests.exporter.doubles import Shown
from tests.exporter.probing.answers import reply, rr
from tests.exporter.probing.talkers import free_port, name_server, probe, talking

A = rr("shop.example", "A", bytes([192, 0, 2, 7]))
SOA = rr("shop.example", "SOA", b"\0\0" + struct.pack("!5I", 2026112101, 1, 2, 3, 4))


def ask(port: int, seconds: float = 5.0, **options: object) -> Attempt:
    """One DNS probe of a server on loopback."""
    made = DnsOptions(**{"query_name": "shop.example", "query_type": "A", **options})  # type: ignore[arg-type]
    return probe(Module("dns", dns=made), f"127.0.0.1:{port}", seconds)


@pytest.mark.parametrize(
    ("rules", "ok"),
    [
        (RecordRules(), True),
        (RecordRules(fail_if_matches_regexp=("192.0.2.7",)), False),
        (RecordRules(fail_if_matches_regexp=("198",)), True),
        (RecordRules(fail_if_all_match_regexp=(r"\tA\t",)), False),
        (RecordRules(fail_if_not_matches_regexp=(r"\tA\t192\.0\.2\.",)), True),
        (RecordRules(fail_if_not_matches_regexp=("AAAA",)), False),
        (RecordRules(fail_if_none_matches_regexp=("192",)), True),
        (RecordRules(fail_if_none_matches_regexp=("198",)), False),
        (RecordRules(fail_if_none_matches_regexp=("198", "192")), True),
    ],
)
def test_plan_records_are_judged_by_rules(rules: RecordRules, ok: bool) -> None:  # noqa: FBT001 -- a table's column
    """Each rule fails as blackbox_exporter's of the same name."""
    with name_server(lambda asked: reply(asked, A)) as port:
        attempt = ask(port, validate_answer_rrs=rules)
    assert attempt.ok == ok
    assert attempt.reason == ("" if ok else "answer")


@pytest.mark.parametrize("rule", ["fail_if_not_matches_regexp", "fail_if_none_matches_regexp"])
def test_plan_answer_without_records_is_not_what_a_pattern_wants(rule: str) -> None:
    """A zone that lost its records fails whatever says what they must be, as with blackbox_exporter."""
    with name_server(reply) as port:
        attempt = ask(port, validate_answer_rrs=RecordRules(**{rule: ("192",)}))
        assert ask(port, validate_answer_rrs=RecordRules(fail_if_all_match_regexp=("192",))).ok
    assert attempt.reason == "answer"


def test_plan_code_that_is_not_wanted_fails() -> None:
    """NXDOMAIN fails unless it is a valid code."""
    with name_server(lambda asked: reply(asked, rcode=3)) as port:
        assert ask(port).reason == "rcode"
        assert ask(port, valid_rcodes=("NXDOMAIN",)).ok


def test_plan_silent_and_absent_servers_have_their_reasons() -> None:
    """No answer is a timeout, a closed port is refused."""
    with name_server(lambda _: b"noise") as port:
        assert ask(port, seconds=0.1).reason == "timeout"
    assert ask(free_port()).reason == "refused"


def test_plan_by_tcp_reads_a_whole_answer() -> None:
    """Over TCP the answer has its length in front; one that ends early breaks the protocol."""

    def dialogue(connection: object) -> None:
        asked = connection.recv(1000)[2:]  # type: ignore[attr-defined]
        whole = reply(asked, A)
        connection.sendall(struct.pack("!H", len(whole)) + whole)  # type: ignore[attr-defined]

    with talking(dialogue, b"\x00\x50short") as server:
        assert ask(server.port, transport_protocol="tcp").ok
        assert ask(server.port, transport_protocol="tcp").reason == "protocol"


def test_families_count_records_and_show_the_serial(shown: Shown) -> None:
    """The metrics of blackbox_exporter's DNS probe."""
    module = Module("dns", dns=DnsOptions(query_name="shop.example", query_type="SOA"))
    with name_server(lambda asked: reply(asked, SOA)) as port:
        samples = shown(families(module, probe(module, f"127.0.0.1:{port}")))
    assert samples["probe_dns_serial"] == 2026112101
    assert (samples["probe_dns_answer_rrs"], samples["probe_dns_query_succeeded"]) == (1, 1)
    assert samples['probe_dns_duration_seconds{phase="request"}'] > 0


@pytest.mark.parametrize("options", [{"query_type": "AXFRX"}, {"query_name": "a..b"}, {"valid_rcodes": ["NOPE"]}])
def test_options_refuse_what_cannot_be_asked(options: dict[str, object]) -> None:
    """Found when the configuration is read."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(options, DnsOptions)
