// PromQL fragments and targets: the only place that writes $job, $instance, $service, $handler_job and the range variables.
local scoped(metric, scope, more) = metric + '{' + scope + (if more == '' then '' else ',' + more) + '}';
local source = { type: 'prometheus', uid: '${datasource}' };
local target(expr, legend, instant) = { datasource: source, expr: expr, legendFormat: legend, instant: instant, range: !instant };

// What a counter gained within *window*, as a whole number: all of it where it is new or smaller than it was. `increase`
// would miss the first event of a series, and of a rarely used action every event is the first of its series.
local gained(selector, window) =
  '((' + selector + ' - (last_over_time(' + selector + '[1h] offset ' + window + ') <= ' + selector + ')) or ' + selector + ')';

{
  source:: source,

  // Selectors: series of a host's exporter, of a service that it watches, of the alert handler.
  host(metric, more=''):: scoped(metric, 'job=~"$job",instance=~"$instance"', more),
  service(metric, more=''):: scoped(metric, 'job=~"$job",instance=~"$instance",service=~"$service"', more),
  handler(metric, more=''):: scoped(metric, 'job=~"$handler_job"', more),
  // Of the processes of Nightshift themselves, whatever their jobs are called.
  own(expr):: expr + ' and on (job, instance) nightshift_build_info',
  // Alerts that ask for somebody; the watchdog fires always and is not one of them.
  firing(more=''):: scoped('ALERTS', 'alertstate="firing",watchdog!="true"', more),
  // How many fire: a true zero only where the watchdog proves that rules are evaluated.
  watchdog:: 'ALERTS{alertstate="firing",watchdog="true"}',
  firingCount(more):: 'count(' + self.firing(more) + ') or 0 * max(' + self.watchdog + ')',
  // Unix time since when each of them is active.
  since(more=''):: 'ALERTS_FOR_STATE{watchdog!="true"} and ignoring (alertstate) ' + self.firing(more),

  rate(selector):: 'rate(' + selector + '[$__rate_interval])',
  sum(by, expr):: 'sum by (' + by + ') (' + expr + ')',
  max(by, expr):: 'max by (' + by + ') (' + expr + ')',
  // Nothing to divide by gives no value, not a wrong one.
  ratio(part, whole):: '(' + part + ') / (' + whole + ' > 0)',
  quantile(q, by, buckets)::
    '(histogram_quantile(' + q + ', ' + self.sum(if by == '' then 'le' else 'le, ' + by, self.rate(buckets)) + ') >= 0)',
  // The same for events that come once an hour: a window of minutes would show nothing between them.
  rare(q, by, buckets)::
    '(histogram_quantile(' + q + ', ' + self.events(if by == '' then 'le' else 'le, ' + by, buckets, '15m') + ') >= 0)',
  // A gauge of the handler over all its labels: a scraped handler that has no such series yet has none of that kind.
  count(by, metric):: 'sum(' + self.max(by, self.handler(metric)) + ') or 0 * max(' + self.handler('nightshift_store_writable') + ')',
  // Events of a rare counter: within a window, for each bar of a panel, and in the whole time range of the board.
  events(by, selector, window):: self.sum(by, gained(selector, window)),
  bars(by, selector):: self.events(by, selector, '$__interval') + ' > 0',
  total(by, selector):: 'sum_over_time((' + self.events(by, selector, '1m') + ')[$__range:1m])',

  // Targets: a curve, one value now, rows of a table. The panel numbers them.
  curve(expr, legend):: target(expr, legend, false),
  now(expr, legend='__auto'):: target(expr, legend, true),
  rows(expr):: target(expr, '__auto', true) { format: 'table' },
}
