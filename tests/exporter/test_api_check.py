import json
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chassis.config_file import ConfigInvalid, decode
from exporter.walks.api_check import Api, ApiCheck, Endpoint, Verdict
from tests.exporter.walk_doubles import Shop, open_shop, raw_server


def run(shop: Shop, endpoint: dict[str, Any], **api: object) -> Verdict:
    """One run against an open shop."""
    with open_shop(shop):
        document = {"base_url": shop.url, "endpoints": {"e": {"sla_seconds": 60, **endpoint}}, **api}
        checked = msgspec.convert(document, Api)
        return ApiCheck(checked, checked.endpoints["e"]).run()


def test_run_all_passed_has_no_failure() -> None:
    """A good answer passes the checks that are configured."""
    verdict = run(Shop(), {"url": "/search", "rules": [{"json": "$.results"}]})
    assert verdict.passed == {"availability": True, "duration": True, "sla": True, "business": True}
    assert verdict.failure is None


def test_run_first_failed_check_is_told() -> None:
    """Of several failures the first in their order is the one with the reason."""
    verdict = run(Shop(broken="/x"), {"url": "/x", "schema": {"type": "object"}, "rules": [{"regex": "nobody"}]})
    assert verdict.failure is not None
    assert (verdict.failure.step, verdict.failure.reason) == ("availability", "status")
    assert [check for check, passed in verdict.passed.items() if not passed] == ["availability", "schema", "business"]


def test_run_no_answer_in_time() -> None:
    """No answer passes nothing, and the reason is the timeout."""
    ends = threading.Event()
    with raw_server(lambda _: ends.wait(20), ends) as url:
        document = {"base_url": url, "endpoints": {"e": {"url": "/", "timeout_seconds": 0.2}}}
        checked = msgspec.convert(document, Api)
        verdict = ApiCheck(checked, checked.endpoints["e"]).run()
    assert set(verdict.passed.values()) == {False}
    assert verdict.failure is not None
    assert (verdict.failure.step, verdict.failure.reason) == ("availability", "timeout")


def test_run_uses_secrets_and_hides_them(tmp_path: Path) -> None:
    """A token from a file is sent, and is not in the failure, though the server echoes it."""
    token = tmp_path / "token"
    token.write_text("t0k3n-t0k3n")
    token.chmod(0o600)
    shop = Shop(answers={"/": (403, {}, "t0k3n-t0k3n may not")})
    headers = {"Authorization": "Bearer ${token}"}
    verdict = run(shop, {"url": "/"}, headers=headers, secret_files={"token": str(token)})
    assert shop.asked[0][2]["authorization"] == "Bearer t0k3n-t0k3n"
    assert "t0k3n" not in repr(verdict)


def test_run_schema_file(tmp_path: Path) -> None:
    """A schema may stand in a file of its own."""
    path = tmp_path / "schema.json"
    path.write_text(json.dumps({"required": ["missing"]}))
    verdict = run(Shop(), {"url": "/search", "schema_file": str(path)})
    assert verdict.passed["schema"] is False
    assert verdict.failure is not None
    assert "must contain ['missing']" in verdict.failure.detail


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000, '{"type": "objekt"}'])
def test_schema_file_that_cannot_be_used(tmp_path: Path, content: str) -> None:
    """A broken schema file is told when the check is built."""
    path = tmp_path / "schema.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=f"{path} cannot be used"):
        run(Shop(), {"url": "/", "schema_file": str(path)})


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"sla_seconds": 0}, "sla_seconds: is 0; write 0.05 to 86400"),
        ({"schema": {}, "schema_file": "x"}, "give schema or schema_file"),
        ({"rules": [{"json": "$.a", "equals": 1, "exists": False}]}, "leaves no value"),
    ],
)
def test_endpoint_refuses_what_cannot_work(document: dict[str, Any], message: str) -> None:
    """A mistake is found when the configuration is read."""
    with pytest.raises(ConfigInvalid, match=message):
        decode({"url": "/", **document}, Endpoint, "exporter.yml")
