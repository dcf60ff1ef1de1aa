from typing import Any

import msgspec
import pytest

from chassis.config_file import ConfigInvalid, decode
from exporter.walks.plan import MAX_STEPS, Plan, check_needed, check_steps


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"base_url": "shop"}, "is no http"),
        ({"timeout_seconds": 0}, "timeout_seconds: is 0; write 0.05 to 86400"),
        ({"interval_seconds": 0.01}, r"interval_seconds is 0\.01; write 0\.05 to 86400, or 0"),
        ({"variables": {"a-b": 1}}, "is no name of a variable"),
        ({"secret_files": {"": "x"}}, "is no name of a variable"),
    ],
)
def test_plan_refuses_what_cannot_work(document: dict[str, Any], message: str) -> None:
    """URL, times and names are checked when the configuration is read."""
    with pytest.raises(ConfigInvalid, match=message):
        decode({"base_url": "http://h", **document}, Plan, "exporter.yml")


def test_plan_may_run_on_demand_only() -> None:
    """An interval of nothing is no mistake."""
    assert msgspec.convert({"base_url": "http://h", "interval_seconds": 0}, Plan).interval_seconds == 0


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([], "0 steps"),
        ([str(number) for number in range(MAX_STEPS + 1)], "51 steps"),
        (["a", "b", "a"], "two steps are named 'a'"),
        (["x" * 65], "longer than 64"),
        (["a\nb"], "not printable"),
        ([""], "is empty"),
    ],
)
def test_check_steps_refuses_bad_labels(steps: list[str], message: str) -> None:
    """The names of steps are labels: few, short, printable, each once."""
    with pytest.raises(ValueError, match=message):
        check_steps(steps)


def test_check_needed_names_what_is_set() -> None:
    """A variable without a value is told with those that have one."""
    with pytest.raises(ValueError, match=r"'pay' uses \$\{id\}, which nothing before it sets \(set: a, b\)"):
        check_needed("pay", {"id", "a"}, {"b", "a"})
