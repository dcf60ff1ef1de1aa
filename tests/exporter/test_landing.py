import json

from exporter.answers import Route, text_answer
from exporter.landing import landing

ROUTES = {
    "/metrics": Route(lambda _: text_answer("200 OK", ""), title="Metrics"),
    "/-/reload": Route(lambda _: text_answer("200 OK", "")),
}


def test_landing_links_titled_routes_relatively() -> None:
    """What has a title is linked, below whatever prefix the server is."""
    page = landing(["traffic"], ROUTES, "").body.decode()
    assert '<a href="metrics">Metrics</a>' in page
    assert "reload" not in page


def test_landing_escapes_names() -> None:
    """A collector of the user's own may be called anything."""
    assert b"<b>" not in landing(["<b>"], {}, "").body


def test_landing_exists_as_json() -> None:
    """Programs get the same."""
    found = json.loads(landing(["traffic"], ROUTES, "a=b&format=json").body)
    assert (found["collectors"], found["links"]) == (["traffic"], {"metrics": "Metrics"})
