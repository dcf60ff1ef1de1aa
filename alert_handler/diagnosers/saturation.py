"""Which resource of the alert's host or service is near its end: the exporter's ratios over the last 30 minutes."""

from alert_handler.diagnoser import Sources
from alert_handler.model import Evidence, Incident
from alert_handler.prometheus_api import Series
from chassis.plugins import plugin

#: The USE method's S: everything that the exporter shows as a ratio of 0 to 1, except ratios that mean something else.
QUERY = '{{__name__=~"nightshift_.+_used_ratio",{matcher}}}'
WINDOW_SECONDS = 1800.0
POINTS = 60
#: Below this a resource explains nothing.
TELLING_RATIO = 0.7
MOST = 6


@plugin("diagnoser", "saturation")
class Saturation:
    """Ratios of used resources of the same service, else of the same instance."""

    def __init__(self, sources: Sources) -> None:
        self._prometheus = sources.prometheus

    def look(self, incident: Incident, now: float) -> list[Evidence]:
        """Resources above 70 %, fullest first."""
        matcher = matcher_of(incident)
        if not matcher:
            return []
        query = QUERY.format(matcher=matcher)
        series = self._prometheus.query_range(query, now - WINDOW_SECONDS, now, WINDOW_SECONDS / POINTS)
        telling = [s for s in series if s.points and s.points[-1][1] >= TELLING_RATIO]
        telling.sort(key=lambda s: -s.points[-1][1])
        return [_evidence(s, query) for s in telling[:MOST]]


def matcher_of(incident: Incident) -> str:
    """A PromQL matcher for the incident's service or instance; "" when it has neither."""
    for name in ("service", "instance"):
        value = incident.labels.get(name, "")
        if value:
            escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
            return f'{name}="{escaped}"'
    return ""


def _evidence(series: Series, query: str) -> Evidence:
    labels = dict(series.labels)
    name = labels.pop("__name__", "?").removeprefix("nightshift_").removesuffix("_used_ratio").replace("_", " ")
    where = labels.get("mountpoint") or labels.get("service") or labels.get("instance") or ""
    first, last = series.points[0][1], series.points[-1][1]
    text = f"{name} {where}: {last:.1%} used, {last - first:+.1%} since the window began"
    return Evidence(source="saturation", text=text, query=query, value=last, series=series.points)
