import socket
import struct

import pytest

from chassis.config_file import ConfigInvalid, decode
from exporter.probing import icmp
from exporter.probing.asking import families
from exporter.probing.icmp import IcmpOptions, checksum, is_reply, request
from exporter.probing.modules import Module
from exporter.probing.streams import Stream
from tests.exporter.doubles import Shown
from tests.exporter.probing.talkers import probe

V4, V6 = icmp._DIALECTS[socket.AF_INET], icmp._DIALECTS[socket.AF_INET6]
TOKEN = bytes(range(16))


def test_checksum_of_a_message_with_its_checksum_is_zero() -> None:
    """RFC 1071's own test, with an odd number of bytes too."""
    assert checksum(request(V4, TOKEN)) == 0
    assert checksum(request(V4, TOKEN + b"x")) == 0


def test_is_reply_wants_type_and_token() -> None:
    """The request that loops back, and another's reply, are not ours; an IP header in front is passed over."""
    header = struct.pack("!BBHHH", 0, 0, 0, 1, 1)
    assert is_reply(header + TOKEN, V4, TOKEN)
    assert is_reply(b"\x45" + bytes(19) + header + TOKEN, V4, TOKEN)
    assert not is_reply(request(V4, TOKEN), V4, TOKEN)
    assert not is_reply(header + b"other token 1234", V4, TOKEN)
    assert is_reply(struct.pack("!BBHHH", 129, 0, 0, 1, 1) + TOKEN, V6, TOKEN)


def test_plan_without_permission_says_what_to_grant(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where neither kind of socket is allowed, the failure names capability and setting."""

    def forbidden(*_: object) -> Stream:
        raise PermissionError

    monkeypatch.setattr(icmp, "Stream", forbidden)
    attempt = probe(Module("icmp"), "127.0.0.1")
    assert attempt.reason == "permission"
    assert "CAP_NET_RAW" in attempt.detail
    assert "ping_group_range" in attempt.detail


def test_plan_pings_loopback_or_says_what_to_grant(shown: Shown) -> None:
    """On a machine that allows it a ping comes back with times and hop limit."""
    module = Module("icmp")
    attempt = probe(module, "127.0.0.1")
    samples = shown(families(module, attempt))
    assert attempt.reason in ("", "permission"), attempt.detail
    assert attempt.ok == (samples.get("probe_icmp_reply_hop_limit", 0) > 0)
    assert attempt.ok == (samples['probe_icmp_duration_seconds{phase="rtt"}'] > 0)


@pytest.mark.parametrize("options", [{"payload_size": 3}, {"ttl": 256}])
def test_options_have_bounds(options: dict[str, int]) -> None:
    """A payload holds the token; a hop limit is one byte."""
    with pytest.raises(ConfigInvalid, match=r"is \d+; write"):
        decode(options, IcmpOptions, "exporter.yml")
