import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alert_handler.errors import PrometheusRejected, PrometheusUnavailable
from alert_handler.prometheus_api import PrometheusApi, Sample, Series
from tests.alert_handler.doubles import HttpServer, Reply


@pytest.fixture
def api(server: HttpServer) -> PrometheusApi:
    """The API of a Prometheus on loopback."""
    return PrometheusApi(server.url + "/", 0.25)


def test_vector_is_one_sample_a_series(api: PrometheusApi, server: HttpServer) -> None:
    """Labels, value and time, as the wire has them."""
    server.prometheus(
        "vector", [{"metric": {"a": "b"}, "value": [1.5, "0.25"]}, {"metric": {}, "value": [1.5, "+Inf"]}]
    )
    assert api.query("up") == [Sample({"a": "b"}, 0.25, 1.5), Sample({}, math.inf, 1.5)]


def test_scalar_is_one_sample_without_labels(api: PrometheusApi, server: HttpServer) -> None:
    """`scalar(x)` and plain numbers are answers too."""
    server.prometheus("scalar", [2, "3"])
    assert api.query("3") == [Sample({}, 3.0, 2.0)]


def test_nan_is_handed_on(api: PrometheusApi, server: HttpServer) -> None:
    """Who asks decides what NaN means."""
    server.prometheus("vector", [{"metric": {}, "value": [1, "NaN"]}])
    assert math.isnan(api.query("0/0")[0].value)


def test_empty_answer_is_no_sample(api: PrometheusApi, server: HttpServer) -> None:
    """No series is an answer."""
    server.prometheus("vector", [])
    assert api.query("up") == []


def test_expression_and_time_are_sent_as_they_are(api: PrometheusApi, server: HttpServer) -> None:
    """Below the configured address, whatever slash it ends with."""
    server.prometheus("vector", [])
    api.query('up{a="b"} > 0', at=12.3456)
    assert server.queries == [{"query": ['up{a="b"} > 0'], "time": ["12.346"]}]
    assert server.paths[0].startswith("/api/v1/query?")


def test_range_is_points_a_series(api: PrometheusApi, server: HttpServer) -> None:
    """Start, end and step go out, points come back."""
    server.prometheus("matrix", [{"metric": {"a": "b"}, "values": [[1, "0.5"], [2, "0.6"]]}])
    assert api.query_range("up", 1, 2, 0.5) == [Series({"a": "b"}, ((1.0, 0.5), (2.0, 0.6)))]
    assert server.queries[0]["step"] == ["0.500"]


def test_native_histograms_in_a_range_are_no_points(api: PrometheusApi, server: HttpServer) -> None:
    """A series of native histograms has no plain values."""
    server.prometheus("matrix", [{"metric": {}, "histograms": [[1, {}]]}])
    assert api.query_range("x", 1, 2, 1) == [Series({}, ())]


@pytest.mark.parametrize("kind", ["matrix", "string", "streams"])
def test_query_that_gives_no_value_a_series_is_rejected(api: PrometheusApi, server: HttpServer, kind: str) -> None:
    """A range vector read as values would look like a fault and be acted on."""
    server.prometheus(kind, [{"metric": {}, "values": [[1, "2"]]}])
    with pytest.raises(PrometheusRejected, match=f"gives a {kind}"):
        api.query("up[5m]")


@pytest.mark.parametrize("status", [400, 422])
def test_refused_expression_is_rejected_in_prometheus_own_words(
    api: PrometheusApi, server: HttpServer, status: int
) -> None:
    """The words are kept, up to a length."""
    server.replies = [
        Reply(status=status, body=b'{"status":"error","errorType":"bad_data","error":"parse ' + b"x" * 9999 + b'"}')
    ]
    with pytest.raises(PrometheusRejected, match="parse x") as caught:
        api.query("up{")
    assert len(str(caught.value)) < 700


UNUSABLE = {
    "starting": Reply(status=503, body=b"Service Unavailable"),
    "timed out": Reply(status=503, body=b'{"status":"error","errorType":"timeout","error":"query timed out"}'),
    "redirect": Reply(status=302, body=b"<a>", headers={"Location": "/login"}),
    "login page": Reply(body=b"<html>please log in</html>"),
    "not JSON and refused": Reply(status=400, body=b"Bad Request"),
    "empty": Reply(),
    "no data": Reply(body=b'{"status":"success"}'),
    "status only in words": Reply(body=b'{"status":"error","error":"x"}'),
    "data is a list": Reply(body=b'{"status":"success","data":[]}'),
    "result is null": Reply(body=b'{"status":"success","data":{"resultType":"vector","result":null}}'),
    "result is a number": Reply(body=b'{"status":"success","data":{"resultType":"vector","result":7}}'),
    "value is missing": Reply(body=b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{}}]}}'),
    "value is a number": Reply(
        body=b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,2]}]}}'
    ),
    "value is no number": Reply(
        body=b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"two"]}]}}'
    ),
    "scalar is no pair": Reply(body=b'{"status":"success","data":{"resultType":"scalar","result":["1"]}}'),
    "scalar is no number": Reply(body=b'{"status":"success","data":{"resultType":"scalar","result":[1,""]}}'),
    "nested": Reply(body=b"[" * 100_000),
    "cut off": Reply(body=b'{"status":"succ', length=500),
    "no UTF-8": Reply(body=b'{"status":"\xff"}'),
}


@pytest.mark.parametrize("reply", UNUSABLE.values(), ids=UNUSABLE)
def test_whatever_is_no_answer_is_unavailable(api: PrometheusApi, server: HttpServer, reply: Reply) -> None:
    """A proxy, a login page, half an answer: the one error that means `ask again later`, never another one."""
    server.replies = [reply]
    with pytest.raises(PrometheusUnavailable):
        api.query("up")


@pytest.mark.parametrize(
    "result", [b"null", b"7", b'[{"metric":{},"values":[[1]]}]', b'[{"metric":{},"values":[[1,"x"]]}]']
)
def test_range_that_is_no_answer_is_unavailable(api: PrometheusApi, server: HttpServer, result: bytes) -> None:
    """The same for range queries."""
    server.replies = [Reply(body=b'{"status":"success","data":{"resultType":"matrix","result":' + result + b"}}")]
    with pytest.raises(PrometheusUnavailable):
        api.query_range("up", 1, 2, 1)


def test_range_of_another_kind_is_unavailable(api: PrometheusApi, server: HttpServer) -> None:
    """A range query has a matrix for an answer."""
    server.prometheus("vector", [])
    with pytest.raises(PrometheusUnavailable, match="answered with a vector"):
        api.query_range("up", 1, 2, 1)


def test_closed_port_is_unavailable() -> None:
    """Prometheus is not there."""
    with pytest.raises(PrometheusUnavailable, match=r"http://127\.0\.0\.1:1:"):
        PrometheusApi("http://127.0.0.1:1", 0.25).query("up")


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60), st.sampled_from([200, 400, 422, 500]))
def test_any_bytes_are_answered_with_one_of_two_errors(
    api: PrometheusApi, server: HttpServer, body: bytes, status: int
) -> None:
    """Nothing that a server sends escapes as another exception."""
    server.replies = [Reply(status=status, body=b'{"status":"success","data":' + body + b"}")]
    with pytest.raises((PrometheusUnavailable, PrometheusRejected)):
        api.query("up")
