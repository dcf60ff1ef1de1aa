local board = import '../lib/board.libsonnet';
local panel = import '../lib/panel.libsonnet';
local q = import '../lib/query.libsonnet';
local signals = import '../lib/signals.libsonnet';
local theme = import '../lib/theme.libsonnet';

local words = theme.words;
local incidents = panel.link('Open incidents', '${handler:raw}/incidents?state=open');
local resources = panel.link('Resources board', '/d/nightshift-resources?${__url_time_range}&${__all_variables}');
local remediation = panel.link('Remediation board', '/d/nightshift-remediation?${__url_time_range}&${__all_variables}');

// The watchdog proves that rules are evaluated, a collector that there is something to evaluate.
local blind = 'max(4 * absent(' + q.watchdog + ')) or max(4 * absent(' + q.host('nightshift_collector_success') + '))';
local state =
  'max(3 * ' + q.firing('severity="critical"') + ') or ' + blind
  + ' or max(2 * ' + q.firing('severity="high"') + ') or max(' + q.firing('severity!~"critical|high"') + ') or vector(0)';
local severity =
  '4 * ' + q.firing('severity="critical"') + ' or 3 * ' + q.firing('severity="high"')
  + ' or 2 * ' + q.firing('severity="medium"') + ' or ' + q.firing('severity="low"')
  + ' or 0 * ' + q.firing('severity!~"critical|high|medium|low"');

// `or` keeps the order of its sides, and the table that of its rows.
local active(more) = q.max('severity, alertname, service, instance, topic', '1000 * (' + q.since(more) + ')');
local worst_first = std.join(' or ', [active('severity="' + s[0] + '"') for s in std.reverse(theme.severities)] + [active('')]);

local latency(quantile) = q.quantile(quantile, '', q.service('nightshift_http_request_duration_seconds_bucket'));
local no_traffic = 'No request in this time, or no access log is configured.';

board.new(
  'nightshift-status',
  'Nightshift / Status',
  'Is anything wrong right now, since when, and does the monitoring itself see it?',
  visible=['instance', 'service'],
  rows=[
    { height: 4, panels: [
      [4, panel.status(
        'State',
        'The worst firing alert: critical, high (degraded), medium or low (warning). UNKNOWN when no rule is evaluated or no exporter is scraped: then a quiet board proves nothing.',
        'No answer.',
        words.state,
        [q.now(state)],
        [incidents]
      )],
      [8, panel.tile(
        'Firing alerts',
        'Alerts that fire now, by severity. The watchdog, which fires always, is left out; other is a severity that is none of ours.',
        'No rules.',
        'short',
        [q.now(q.firingCount('severity="' + s[0] + '"'), s[0]) for s in std.reverse(theme.severities)]
        + [q.now(q.firingCount('severity!~"critical|high|medium|low"'), 'other')],
        theme.any('blue'),
        [incidents],
        [[s[0], theme.any(s[1])] for s in theme.severities]
      )],
      [3, panel.tile(
        'Open incidents',
        'Incidents that the alert handler has not closed.',
        'No handler.',
        'short',
        [q.now(q.count('severity', 'nightshift_incidents_open'))],
        theme.any('orange'),
        [incidents]
      )],
      [3, panel.tile(
        'Services down',
        'Services of which a process, pid file, port or HTTP check fails.',
        'No checks.',
        'short',
        [q.now('sum(1 - min by (instance, service) (' + q.service('nightshift_service_up') + '))')],
        theme.any('red'),
        [resources]
      )],
      [3, panel.tile(
        'Age of data',
        'Time since the collector that is furthest behind gave samples: what this board shows can be that old.',
        'No exporter.',
        's',
        [q.now('max(time() - ' + q.host('nightshift_collector_last_success_timestamp_seconds') + ')')],
        theme.limits('collector_age_seconds'),
        [resources]
      )],
      [3, panel.status(
        'Watchdog',
        'Whether the always firing watchdog alert reached the alert handler in time: the proof that alerts get through.',
        'No handler.',
        words.watchdog,
        [q.now('max(' + q.handler('nightshift_watchdog_missing') + ')')],
        [remediation]
      )],
    ] },
    { height: 9, panels: [
      [13, panel.table(
        'Golden signals',
        'Latency, traffic, errors and saturation of the chosen hosts and services, the worst host counting. Usual: the median of the last 24 hours. State: the highest limit crossed (traffic: beyond 1.5 times the usual). Trend: a tenth away from the mean of the last 30 minutes.',
        'No exporter is scraped, or the host or service chosen above has no data.',
        [q.rows(signals.current), q.rows(signals.baseline), q.rows(signals.state), q.rows(signals.trend), q.curve(signals.current, '{{signal}}')],
        [
          { name: 'Signal', label: 'signal', width: 155, links: [resources] },
          { name: 'State', of: 2, words: words.state, cell: panel.cells.filled, width: 100 },
          { name: 'Now', of: 0, width: 80 },
          { name: 'Usual', of: 1, width: 80 },
          { name: 'Trend', of: 3, words: words.direction, width: 100 },
          { name: 'In this time', of: 4, cell: panel.cells.spark, least: 120 },
        ],
        by='signal'
      )],
      [11, panel.table(
        'What fires',
        'Each firing alert and since when it is active. A row leads to the open incidents and to the runbook.',
        'Nothing fires. With the state UNKNOWN that proves nothing.',
        [q.rows(worst_first)],
        [
          { name: 'Severity', label: 'severity', words: words.severity, cell: panel.cells.filled, width: 90 },
          { name: 'Alert', label: 'alertname', least: 170, links: [panel.link('Open incidents', '${handler:raw}/incidents?state=open')] },
          { name: 'Since', of: 0, unit: 'dateTimeFromNow', width: 120 },
          { name: 'Service', label: 'service', width: 90 },
          { name: 'Host', label: 'instance', width: 120 },
          { name: 'Runbook', label: 'topic', width: 90, links: [panel.link('What to do', '${handler:raw}/runbooks/${__data.fields.Runbook:percentencode}')] },
        ]
      )],
    ] },
    { height: 7, panels: [
      [12, panel.states(
        'Alerts over time',
        'When each alert fired and how severe it was.',
        'No alert fired in this time, as far as rules were evaluated.',
        words.severity_number,
        [q.curve(q.max('alertname', severity), '{{alertname}}')]
      )],
      [12, panel.states(
        'Services over time',
        'A service is up while all of its checks (process, pid file, port, HTTP) succeed.',
        'No service check is configured.',
        words.up,
        [q.curve('min by (service) (' + q.service('nightshift_service_up') + ')', '{{service}}')]
      )],
    ] },
    { title: 'Traffic of the services', height: 9, panels: [
      [8, panel.trend(
        'Requests by service',
        'Requests per second, from the access logs.',
        no_traffic,
        'reqps',
        [q.curve(q.sum('service', q.rate(q.service('nightshift_http_requests_total'))), '{{service}}')]
      )],
      [8, panel.trend(
        'Share of failed requests',
        'Requests answered with 5xx against all requests; the lines are the limits of the alerts.',
        no_traffic,
        'percentunit',
        [q.curve(q.max('service', q.service('service:nightshift_http_errors:ratio_rate1m')), '{{service}}')],
        theme.limits('error_ratio')
      )],
      [8, panel.trend(
        'Duration of requests',
        'The duration that half, 95 % and 99 % of the requests stay below; the line is the limit of p95.',
        no_traffic,
        's',
        [q.curve(latency('0.5'), 'p50'), q.curve(latency('0.95'), 'p95'), q.curve(latency('0.99'), 'p99')],
        theme.limits('request_p95_seconds')
      )],
    ] },
    { title: 'Can this board be believed?', height: 7, panels: [
      [8, panel.states(
        'Scraped by Prometheus',
        'Whether Prometheus reached each process of Nightshift that it has seen in this time.',
        'No process of Nightshift was scraped in this time.',
        words.up,
        [q.curve(q.max('job, instance', 'up and on (job, instance) last_over_time(nightshift_build_info[$__range])'), '{{job}} {{instance}}')]
      )],
      [8, panel.states(
        'Collectors',
        'Whether each collector of the exporter gave its samples.',
        'No exporter is scraped.',
        words.up,
        [q.curve('min by (collector) (' + q.host('nightshift_collector_success') + ')', '{{collector}}')]
      )],
      [8, panel.table(
        'Versions',
        'What runs, and since when.',
        'No process of Nightshift is scraped.',
        [q.rows('1000 * max by (job, instance, version) (process_start_time_seconds * on (job, instance) group_left (version) nightshift_build_info)')],
        [
          { name: 'Job', label: 'job' },
          { name: 'Host', label: 'instance', width: 120 },
          { name: 'Version', label: 'version', width: 70 },
          { name: 'Started', of: 0, unit: 'dateTimeFromNow', width: 120 },
        ]
      )],
    ] },
  ],
)
