import socket
from pathlib import Path

import pytest

from exporter.probing import resolving
from exporter.probing.attempt import ProbeFailed
from exporter.probing.dns_messages import query, read
from exporter.probing.engine import Loop, Task
from exporter.probing.resolving import (
    Resolver,
    ResolverConfig,
    Wish,
    address_in,
    candidates,
    exchange_with_retries,
    parse_hosts,
    parse_resolv_conf,
    socket_address,
)
from tests.exporter.probing.answers import kind_of, reply, rr
from tests.exporter.probing.talkers import free_port, name_server

V4 = bytes([192, 0, 2, 7])
ALIAS = rr("www.example", "CNAME", b"\x04shop\x07example\x00")


def resolve(resolver: Resolver, name: str, wish: Wish, seconds: float = 5.0) -> tuple[int, str] | BaseException | None:
    """What *name* resolves to, or the error."""
    found: list[tuple[int, str]] = []
    loop = Loop()

    def task() -> Task[None]:
        found.append((yield from resolver.resolve(loop, name, wish)))

    error = loop.run(task(), loop.now() + seconds)
    loop.close()
    return found[0] if found else error


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """An /etc/hosts with both families of `both` and an /etc/resolv.conf that is not there."""
    (tmp_path / "hosts").write_text("192.0.2.1 both only4 # x\n2001:db8::1 both\nbroken\n")
    return tmp_path / "hosts", tmp_path / "resolv.conf"


@pytest.mark.parametrize(
    ("name", "wish", "address"),
    [
        ("both", Wish("ip6"), "2001:db8::1"),
        ("BOTH.", Wish("ip4"), "192.0.2.1"),
        ("only4", Wish("ip6"), "192.0.2.1"),
        ("192.0.2.9", Wish("ip6"), "192.0.2.9"),
        ("2001:db8::9", Wish("ip4"), "2001:db8::9"),
    ],
)
def test_resolver_knows_addresses_and_hosts(files: tuple[Path, Path], name: str, wish: Wish, address: str) -> None:
    """Addresses are their own answer; the hosts file is asked before any server, the preferred family first."""
    found = resolve(Resolver(*map(str, files)), name, wish)
    assert isinstance(found, tuple)
    assert found[1] == address


def test_resolver_without_fallback_takes_no_other_family(files: tuple[Path, Path]) -> None:
    """An address of the family that is not wanted fails."""
    error = resolve(Resolver(*map(str, files)), "192.0.2.9", Wish("ip6", fallback=False))
    assert isinstance(error, ProbeFailed)
    assert error.reason == "resolve"


def test_resolver_reads_the_hosts_file_again_when_it_changed(files: tuple[Path, Path]) -> None:
    """A new line counts without a restart."""
    resolver = Resolver(*map(str, files))
    assert isinstance(resolve(resolver, "both", Wish("ip4")), tuple)
    files[0].write_text("192.0.2.99 both again\n")
    assert resolve(resolver, "both", Wish("ip4")) == (socket.AF_INET, "192.0.2.99")


def test_resolver_asks_the_server_and_follows_aliases(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no AAAA, the A record behind the alias is the answer."""

    def answer(asked: bytes) -> bytes:
        return reply(asked, ALIAS, rr("shop.example", "A", V4)) if kind_of(asked) == "A" else reply(asked, ALIAS)

    files[1].write_text("nameserver 127.0.0.1\n")
    with name_server(answer) as port:
        monkeypatch.setattr(resolving, "DNS_PORT", port)
        assert resolve(Resolver(*map(str, files)), "www.example", Wish("ip6")) == (socket.AF_INET, "192.0.2.7")


@pytest.mark.parametrize(("rcode", "text"), [(3, "NXDOMAIN"), (5, "REFUSED"), (0, "NOERROR")])
def test_resolver_failure_says_what_the_server_said(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, rcode: int, text: str
) -> None:
    """No address is a failure whose text has the server's code."""
    files[1].write_text("nameserver 127.0.0.1\n")
    with name_server(lambda asked: reply(asked, rcode=rcode)) as port:
        monkeypatch.setattr(resolving, "DNS_PORT", port)
        error = resolve(Resolver(*map(str, files)), "www.example", Wish("ip6"))
    assert text in str(error)


@pytest.mark.parametrize("rcode", [2, 4, 5])
def test_resolver_takes_an_a_record_where_the_server_fails_at_aaaa(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, rcode: int
) -> None:
    """Old servers answer SERVFAIL, NOTIMP or REFUSED to what they do not know; the host is there all the same."""

    def answer(asked: bytes) -> bytes:
        return reply(asked, rr("shop.example", "A", V4)) if kind_of(asked) == "A" else reply(asked, rcode=rcode)

    files[1].write_text("nameserver 127.0.0.1\n")
    with name_server(answer) as port:
        monkeypatch.setattr(resolving, "DNS_PORT", port)
        assert resolve(Resolver(*map(str, files)), "shop.example", Wish("ip6")) == (socket.AF_INET, "192.0.2.7")


def test_exchange_goes_on_to_the_next_server() -> None:
    """A closed port and a server with a forged answer are passed over."""
    loop, got = Loop(), []

    def forger(asked: bytes) -> bytes:
        return bytes([asked[0] ^ 1]) + reply(asked)[1:]

    with name_server(forger) as bad, name_server(lambda asked: reply(asked, rr("a", "A", V4))) as good:
        servers = tuple(("127.0.0.1", port) for port in (free_port(), bad, good))
        config = ResolverConfig(servers=servers, timeout=0.05)

        def task() -> Task[None]:
            got.append((yield from exchange_with_retries(loop, config, resolving.Question("a", "A"))))

        assert loop.run(task(), loop.now() + 5) is None
    assert got[0].answers[0].data == "192.0.2.7"
    loop.close()


def test_exchange_without_any_answer_fails_as_resolve() -> None:
    """Silent servers cost their timeouts and no more."""
    loop = Loop()
    with name_server(lambda _: None) as port:
        config = ResolverConfig(servers=(("127.0.0.1", port),), timeout=0.02)

        def task() -> Task[None]:
            yield from exchange_with_retries(loop, config, resolving.Question("a", "A"))

        error = loop.run(task(), loop.now() + 5)
    assert isinstance(error, ProbeFailed)
    assert error.reason == "resolve"
    loop.close()


def test_parse_hosts_keeps_the_first_of_a_family() -> None:
    """Comments and broken lines are passed over."""
    hosts = parse_hosts("# x\n127.0.0.1 a b\n127.0.0.2 a\n::1 A\nnonsense a\n")
    assert hosts == {"a": {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}, "b": {socket.AF_INET: "127.0.0.1"}}


def test_parse_resolv_conf_reads_what_the_manual_says() -> None:
    """Servers, search list and options, within their bounds."""
    text = "; x\nnameserver 192.0.2.1\nnameserver ::1\nsearch a.example b.example\noptions ndots:2 timeout:99 rotate\n"
    assert parse_resolv_conf(text) == ResolverConfig(
        (("192.0.2.1", 53), ("::1", 53)), ("a.example", "b.example"), ndots=2, timeout=30.0, attempts=2
    )


def test_candidates_follow_the_search_list() -> None:
    """Few dots: the search list first; enough dots: the name first; a dot at the end: the name alone."""
    config = ResolverConfig(search=("x",), ndots=1)
    assert candidates("a", config) == ["a.x", "a"]
    assert candidates("a.b", config) == ["a.b", "a.b.x"]
    assert candidates("a.", config) == ["a."]


def test_address_in_survives_a_circle_of_aliases() -> None:
    """Aliases that lead back to themselves lead nowhere."""
    asked = query(1, "a", "A")
    circle = read(reply(asked, rr("a", "CNAME", b"\x01b\0"), rr("b", "CNAME", b"\x01a\0")))
    assert address_in(circle, "A") == ""


def test_socket_address_has_the_zone_of_link_local_addresses() -> None:
    """`fe80::1%lo` is on the device lo; an unknown device is none."""
    assert socket_address(socket.AF_INET6, "fe80::1%lo", 80) == (socket.AF_INET6, ("fe80::1", 80, 0, 1))
    assert socket_address(socket.AF_INET6, "fe80::1%nowhere", 80)[1][3:] == (0,)
