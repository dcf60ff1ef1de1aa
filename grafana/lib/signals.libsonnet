// The golden signals as data, and the columns made of them. A column has one unit, so a signal's name tells its own.
local query = import 'query.libsonnet';
local theme = import 'theme.libsonnet';

// Most are recorded by the rules: a board and its alert then read one number. The worst host or service counts.
local saturation(resource) = '100 * max(' + query.host('instance_resource:nightshift_saturation:ratio', 'resource="' + resource + '"') + ')';

local signal(name, expr, limits) = { name: name, expr: '(' + expr + ')', limits: limits };
local list = [
  signal('Latency p95, ms', '1000 * max(' + query.service('service:nightshift_http_request_duration_seconds:p95_rate5m') + ')', theme.limits('request_p95_seconds', 1000)),
  signal('Traffic, requests/s', 'sum(' + query.service('service:nightshift_http_requests:rate1m') + ')', []),
  signal('Errors, %', '100 * max(' + query.service('service:nightshift_http_errors:ratio_rate1m') + ')', theme.limits('error_ratio', 100)),
  signal('CPU, %', saturation('cpu'), theme.limits('cpu_used_ratio', 100)),
  signal('Memory, %', saturation('memory'), theme.limits('memory_used_ratio', 100)),
  signal('Fullest disk, %', saturation('disk'), theme.limits('disk_used_ratio', 100)),
];

local baseline(s) = 'quantile_over_time(0.5, ' + s.expr + '[1d:5m])';
local earlier(s) = 'avg_over_time(' + s.expr + '[30m:1m])';
local crossed(s, i) =
  (s.limits[i].state - (if i == 0 then 0 else s.limits[i - 1].state)) + ' * (' + s.expr + ' > bool ' + s.limits[i].value + ')';
local state(s) =
  if s.limits == [] then s.expr + ' > bool 1.5 * ' + baseline(s)
  else std.join(' + ', [crossed(s, i) for i in std.range(0, std.length(s.limits) - 1)]);
local trend(s) =
  '(' + s.expr + ' > bool 1.1 * ' + earlier(s) + ') - (' + s.expr + ' < bool 0.9 * ' + earlier(s) + ')';

// A row per signal, told apart by the label `signal`.
local rows(of) = std.join('\nor\n', ['label_replace(' + of(s) + ', "signal", "' + s.name + '", "", "")' for s in list]);

{
  current:: rows(function(s) s.expr),
  // Median of the last 24 hours: a fault of some minutes does not move it.
  baseline:: rows(baseline),
  // 0 HEALTHY .. 3 CRITICAL by the highest limit crossed; without limits, WARNING beyond 1.5 times the baseline.
  state:: rows(state),
  // 1 rising, 0 steady, -1 falling: a tenth away from the mean of the last 30 minutes.
  trend:: rows(trend),
}
