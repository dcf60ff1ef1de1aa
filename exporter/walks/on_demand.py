"""What `/journey?name=...` answers: one run, at once, in the shape of blackbox_exporter's `/probe`."""

from collections.abc import Sequence

from exporter.answers import Answer, text_answer
from exporter.exposition import TEXT, render
from exporter.families import Family, Metric
from exporter.walks.failures import Walk

SUCCESS = Metric("probe_success", "gauge", "1 if the journey succeeded, else 0.")
DURATION = Metric("probe_duration_seconds", "gauge", "Seconds that the journey took.")
REASON = Metric(
    "probe_failure_reason_info", "gauge", "Why the journey failed, from a fixed set of reasons.", ["reason"]
)
FAILED_STEP = Metric("probe_failed_step", "gauge", "Number of the step at which the journey failed, 0 if none did.")


def exposition(walk: Walk, more: Sequence[Family]) -> str:
    """The metrics of *walk*: the probe's and *more*."""
    families = [Family(SUCCESS, walk.failure is None), Family(DURATION, walk.seconds)]
    families.append(Family(FAILED_STEP, len(walk.steps) if walk.failure else 0))
    if walk.failure:
        reason = Family(REASON)
        reason.add(1, walk.failure.reason)
        families.append(reason)
    return render([*families, *more], TEXT).decode()


def answer(walk: Walk, more: Sequence[Family], *, debug: bool) -> Answer:
    """The metrics as they are scraped; for *debug* the steps and the failure before them, to be read by people."""
    metrics = exposition(walk, more)
    if not debug:
        return Answer("200 OK", metrics.encode(), (("Content-Type", TEXT.content_type),))
    lines = ["Steps of the journey:", *walk.trace]
    if failure := walk.failure:
        lines += ["", "Last request:", failure.request, "", "Its answer:", failure.response or "(none)"]
    return text_answer("200 OK", "\n".join([*lines, "", "Metrics that would have been returned:", metrics]))
