from exporter.probing.attempt import Attempt
from exporter.probing.http_options import HttpOptions
from exporter.probing.modules import Module
from exporter.probing.resolving import Resolver
from exporter.probing.tls import TlsConfig
from tests.exporter.probing.talkers import TLS, probe, talking


def steps(attempt: Attempt) -> list[str]:
    """What was noted, without times."""
    return [line.split("ms  ", 1)[1] for line in attempt.lines()]


def test_run_notes_every_step_in_order() -> None:
    """Whoever asks sees what was done with which address and certificate."""
    options = HttpOptions(tls_config=TlsConfig(ca_file=str(TLS / "localhost.pem")))
    with talking(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", tls=True) as server:
        attempt = probe(Module("http", http=options), f"https://127.0.0.1:{server.port}/")
    found = steps(attempt)
    assert found[:4] == ["resolve", "address 127.0.0.1", "connect", "tls"]
    assert found[4].startswith("TLS 1.3 with ")
    assert found[5:] == ["processing", "transfer", "status 200, 0 bytes of body", "check"]


def test_run_failed_resolving_takes_its_time() -> None:
    """The phase in which a run ends has its seconds too."""
    attempt = probe(Module("http"), "http://no-such-name.invalid/", seconds=0.2, resolver=Resolver("/none", "/none"))
    assert attempt.step_name == "resolve"
    assert attempt.phases["resolve"] > 0
