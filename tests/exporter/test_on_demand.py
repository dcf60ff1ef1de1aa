from exporter.families import Family, Metric
from exporter.walks.failures import Failure, StepResult, Walk
from exporter.walks.on_demand import answer

MORE = [Family(Metric("nightshift_more", "gauge", "More."), 1)]
FAILURE = Failure(time="t", step="cart", reason="status", detail="HTTP 500", seconds=1, request="GET /", response="no")
STEPS = (StepResult("home", success=True, seconds=0.1), StepResult("cart", success=False, seconds=0.2))


def body(walk: Walk, *, debug: bool) -> str:
    """What is answered."""
    return answer(walk, MORE, debug=debug).body.decode()


def test_answer_success() -> None:
    """A probe's metrics and the journey's own."""
    shown = body(Walk(STEPS[:1], 0.1, {}), debug=False)
    assert "\nprobe_success 1\n" in shown
    assert "\nprobe_duration_seconds 0.1\n" in shown
    assert "\nprobe_failed_step 0\n" in shown
    assert "\nnightshift_more 1\n" in shown
    assert "reason" not in shown


def test_answer_failure_has_its_reason_and_step() -> None:
    """Why, and the number of the step."""
    shown = body(Walk(STEPS, 0.3, {}, FAILURE), debug=False)
    assert 'probe_failure_reason_info{reason="status"} 1' in shown
    assert "\nprobe_failed_step 2\n" in shown


def test_answer_debug_tells_before_it_counts() -> None:
    """Trace, request and answer, then the metrics as they would have been."""
    shown = body(Walk(STEPS, 0.3, {}, FAILURE, ("home: fine", "cart: failed")), debug=True)
    assert shown.index("cart: failed") < shown.index("GET /") < shown.index("Its answer:\nno")
    assert shown.index("Its answer:") < shown.index("# HELP probe_success")
