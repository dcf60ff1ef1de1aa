import pytest

from exporter.sources.log_formats import PRESETS, format_named

APACHE = b'1.2.3.4 - - [21/Nov/2026:02:29:00 +0000] "GET /a HTTP/1.1" 200 5'
LINES = {
    "combined": APACHE + b' "-" "curl" 0.25',
    "combined_milliseconds": APACHE + b' "-" "curl" 250',
    "combined_microseconds": APACHE + b' "-" "curl" 250000',
    "common": APACHE,
    "nginx_json": b'{"request":"GET /a HTTP/1.1","status":"200","body_bytes_sent":"5","request_time":"0.25"}',
    "caddy_json": b'{"request":{"method":"GET","uri":"/a?b"},"status":200,"size":5,"duration":0.25}',
    "traefik_json": b'{"RequestMethod":"GET","RequestPath":"/a?b","DownstreamStatus":200,'
    b'"DownstreamContentSize":5,"Duration":250000000}',
}


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_format_named_reads_the_same_of_every_preset(name: str) -> None:
    """Each preset gives the request, its status, its bytes and its time in seconds."""
    form = format_named(name)
    ((request, status, size, seconds, *_),) = form.rows(LINES[name] + b"\n", 1)
    assert (request, status, sum(form.numbers([size]))) == (b"GET /a", b"2", 5)
    assert sum(form.numbers([seconds])) / form.per_second == (0 if name == "common" else 0.25)


def test_format_named_takes_a_format_of_nginx() -> None:
    """What has a variable is a format of its own."""
    assert format_named("$status $request").rows(b"200 GET /a H\n", 1)[0][:2] == (b"GET /a", b"2")


def test_format_named_names_the_nearest() -> None:
    """A misspelt preset is answered with the one that was meant."""
    with pytest.raises(ValueError, match='did you mean "caddy_json"'):
        format_named("cady_json")
