// A board from rows of [width, panel]: ids, positions, variables, annotation layers and links are made here.
local query = import 'query.libsonnet';

local columns = 24;
local total(widths) = std.foldl(function(sum, width) sum + width, widths, 0);

local placed(row, top, first) = [
  row.panels[i][1] {
    id: first + i,
    gridPos: { x: total([p[0] for p in row.panels[:i]]), y: top, w: row.panels[i][0], h: row.height },
  }
  for i in std.range(0, std.length(row.panels) - 1)
];

// A row with a title puts a line of its own above its panels.
local heading(row, top, id) = { type: 'row', id: id, title: row.title, collapsed: false, panels: [], gridPos: { x: 0, y: top, w: columns, h: 1 } };

local stacked(rows) = std.foldl(
  function(done, row)
    assert total([p[0] for p in row.panels]) == columns : 'the widths of a row must sum to 24: ' + std.join(', ', [p[1].title for p in row.panels]);
    local titled = if 'title' in row then 1 else 0;
    {
      top: done.top + titled + row.height,
      panels: done.panels
              + (if titled == 1 then [heading(row, done.top, std.length(done.panels) + 1)] else [])
              + placed(row, done.top + titled, std.length(done.panels) + titled + 1),
    },
  rows,
  { top: 0, panels: [] }
).panels;

local variable(name, label, values, visible) = {
  type: 'query',
  name: name,
  label: label,
  datasource: query.source,
  definition: values,
  query: { query: values, refId: 'variable-' + name },
  refresh: 2,
  sort: 1,
  multi: true,
  includeAll: true,
  allValue: '.+',
  current: { text: 'All', value: '$__all' },
  hide: if visible then 0 else 2,
};

local variables(visible, handler) = [
  { type: 'datasource', name: 'datasource', label: 'Data source', query: 'prometheus', current: { text: 'Prometheus', value: 'prometheus' }, hide: if std.member(visible, 'datasource') then 0 else 2 },
  variable('job', 'Exporter job', 'label_values(nightshift_collector_success, job)', false),
  variable('instance', 'Host', 'label_values(nightshift_collector_success{job=~"$job"}, instance)', std.member(visible, 'instance')),
  variable('service', 'Service', 'label_values({__name__=~"nightshift_service_up|nightshift_health_up|nightshift_traffic_lines_total",job=~"$job",instance=~"$instance"}, service)', std.member(visible, 'service')),
  variable('handler_job', 'Handler job', 'label_values(nightshift_store_writable, job)', false),
  { type: 'constant', name: 'handler', label: 'Address of the alert handler', query: handler, hide: 2 },
];

local layer(name, color, expr, title, text, tags, at=false) = {
  name: name,
  enable: true,
  datasource: query.source,
  expr: expr,
  iconColor: color,
  titleFormat: title,
  textFormat: text,
  tagKeys: tags,
  step: '1m',
  useValueForTime: at,
};

local layers = [
  { builtIn: 1, name: 'Annotations and alerts', enable: true, hide: true, type: 'dashboard', iconColor: 'blue', datasource: { type: 'grafana', uid: '-- Grafana --' } },
  layer('Alerts', 'red', '1000 * (' + query.since() + ')', '{{alertname}}', '{{severity}} {{service}} {{instance}}', 'severity,service', true),
  layer('Remediations', 'blue', query.events('remediation', query.handler('nightshift_remediation_attempts_total'), '1m') + ' > 0', 'Remediation: {{remediation}}', 'An attempt was started.', 'remediation'),
  layer('Restarts', 'purple', '1000 * (' + query.own('process_start_time_seconds') + ')', 'Started: {{job}}', '{{instance}}', 'job', true),
];

{
  new(uid, title, question, rows, visible, since='now-3h'):: {
    local built = self,
    assert std.setDiff(std.set(visible), std.set(['datasource', 'instance', 'service'])) == [] : 'a board shows no other variables than datasource, instance and service',
    // The address under which people reach the alert handler; the build can set another one.
    handler:: 'http://127.0.0.1:19093',
    uid: uid,
    title: title,
    description: question,
    tags: ['nightshift'],
    schemaVersion: 39,
    editable: false,
    graphTooltip: 1,
    timezone: 'browser',
    refresh: '30s',
    time: { from: since, to: 'now' },
    templating: { list: variables(visible, built.handler) },
    annotations: { list: layers },
    links: [
      { type: 'dashboards', title: 'Boards', tags: ['nightshift'], asDropdown: true, includeVars: true, keepTime: true, targetBlank: false, icon: 'external link' },
      { type: 'link', title: 'Incidents', url: '${handler:raw}/incidents', targetBlank: true, icon: 'bolt', tooltip: 'The alert handler: every incident with its timeline' },
    ],
    panels: stacked(rows),
  },
}
