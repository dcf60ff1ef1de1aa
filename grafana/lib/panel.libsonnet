// Panels by what they are for. Every one says what it shows (title), why it matters (why), and why it may be empty (empty).
// `limits` is a list of { value, color }: theme.limits(key), theme.any(color), or null for a figure without good or bad.
local query = import 'query.libsonnet';
local theme = import 'theme.libsonnet';

local refs = 'ABCDEFGH';
local referred(targets) = [targets[i] { refId: refs[i] } for i in std.range(0, std.length(targets) - 1)];
local link(title, url) = { title: title, url: url, targetBlank: std.startsWith(url, '$') };
local thresholds(limits) = { mode: 'absolute', steps: if limits == null then theme.neutral else theme.steps(limits) };
local property(id, value) = { id: id, value: value };
local override(name, properties) = { matcher: { id: 'byName', options: name }, properties: properties };
// A column's key, and the setting of Grafana that it becomes.
local settings = {
  unit: 'unit',
  decimals: 'decimals',
  links: 'links',
  words: 'mappings',
  width: 'custom.width',
  least: 'custom.minWidth',
  cell: 'custom.cellOptions',
};
local last = { calcs: ['lastNotNull'], fields: '', values: false };

local panel(type, title, why, empty, targets, unit) = {
  assert std.length(title) > 0 && std.length(why) > 0 && std.length(empty) > 0 : 'a panel lacks its title, its why or its empty text: ' + title,
  type: type,
  title: title,
  description: why,
  datasource: query.source,
  targets: referred(targets),
  fieldConfig: { defaults: { unit: unit, noValue: empty }, overrides: [] },
  options: {},
};

// What is not known is no figure: it gets the empty text, in the colour of UNKNOWN, where a limit would call it good.
// The blanks do not break, because the size of the letters is reckoned for one line.
local unknown(base) = {
  type: 'special',
  options: { match: 'null', result: { index: 9, text: std.strReplace(base.fieldConfig.defaults.noValue, ' ', ' '), color: theme.unknown } },
};

local stat(base, background, mode) = base {
  fieldConfig+: { defaults+: { mappings: [unknown(base)] } },
  options: {
    reduceOptions: last,
    colorMode: if background then 'background_solid' else 'value',
    graphMode: 'none',
    textMode: mode,
    justifyMode: 'center',
    orientation: 'auto',
    wideLayout: false,
  },
};

local colored(base, limits, links) = base {
  fieldConfig+: { defaults+: { color: { mode: 'thresholds' }, thresholds: thresholds(limits), links: links } },
};

local series(base, limits, draw, legend) = base {
  fieldConfig+: {
    defaults+: {
      color: { mode: 'palette-classic' },
      thresholds: thresholds(limits),
      custom: {
        lineWidth: 1,
        fillOpacity: 8,
        showPoints: 'auto',
        spanNulls: false,
        thresholdsStyle: { mode: if limits == null then 'off' else 'dashed' },
      } + draw,
    },
  },
  options: {
    legend: { displayMode: 'table', placement: 'bottom', showLegend: true, calcs: legend },
    tooltip: { mode: 'multi', sort: 'desc' },
  },
};

{
  link:: link,
  // A cell that is filled with the colour of its word, and one that draws its series.
  cells:: {
    filled: { type: 'color-background', mode: 'basic' },
    spark: { type: 'sparkline', hideValue: true, lineWidth: 1 },
  },
  // A value of its own for what is called *name*: other words, or a shorter name.
  rename(name, as, words=null):: override(name, [property('displayName', as)] + if words == null then [] else [property('mappings', words)]),

  // One word for a state; the words carry the colours.
  status(title, why, empty, words, targets, links=[], mode='value', overrides=[])::
    stat(panel('stat', title, why, empty, targets, 'short'), true, mode) {
      fieldConfig+: {
        defaults+: { mappings+: words, color: { mode: 'thresholds' }, thresholds: thresholds(null), links: links },
        overrides: overrides,
      },
    },

  // One figure, or a few with names.
  tile(title, why, empty, unit, targets, limits=null, links=[], overrides=[])::
    local shown = if targets[0].legendFormat == '__auto' then 'value' else 'value_and_name';
    colored(stat(panel('stat', title, why, empty, targets, unit), false, shown), limits, links) {
      fieldConfig+: { overrides: [override(o[0], [property('thresholds', thresholds(o[1]))]) for o in overrides] },
    },

  // Curves over time with the alert's limits as dashed lines; the lowest is always in view.
  trend(title, why, empty, unit, targets, limits=null, max=null)::
    series(panel('timeseries', title, why, empty, targets, unit), limits, {}, ['lastNotNull', 'max']) {
      local top = if max != null then { max: max } else if limits != null then { custom+: { axisSoftMax: limits[0].value } } else {},
      fieldConfig+: { defaults+: { min: 0 } + top },
    },

  // Two directions of one flow: the targets after the first half hang below zero.
  flow(title, why, empty, unit, targets)::
    series(panel('timeseries', title, why, empty, targets, unit), null, { axisCenteredZero: true }, ['lastNotNull', 'max']) {
      fieldConfig+: {
        overrides: [
          { matcher: { id: 'byFrameRefID', options: refs[i] }, properties: [property('custom.transform', 'negative-Y')] }
          for i in std.range(std.length(targets) / 2, std.length(targets) - 1)
        ],
      },
    },

  // Events per interval, stacked.
  bars(title, why, empty, targets, colors={})::
    series(panel('timeseries', title, why, empty, targets, 'short'), null, { drawStyle: 'bars', fillOpacity: 70, stacking: { mode: 'normal', group: 'A' } }, ['sum']) {
      interval: '1m',
      fieldConfig+: {
        defaults+: { min: 0, decimals: 0 },
        overrides: [override(name, [property('color', { mode: 'fixed', fixedColor: colors[name] })]) for name in std.objectFields(colors)],
      },
    },

  // States over time, a line each. Not colour mode "thresholds": it would ignore the words.
  states(title, why, empty, words, targets)::
    panel('state-timeline', title, why, empty, targets, 'short') {
      fieldConfig+: { defaults+: { mappings: words, color: { mode: 'fixed', fixedColor: 'text' }, custom: { fillOpacity: 80, lineWidth: 0 } } },
      options: { showValue: 'auto', mergeValues: true, rowHeight: 0.8, alignValue: 'left', legend: { displayMode: 'list', placement: 'bottom', showLegend: false } },
    },

  // Rows told apart by their labels, or by the label *by* when several targets are joined. A column is { name } with
  // `label`, or `of` (the index of a target); and perhaps unit, decimals, width, least (width), links, words, and how a
  // cell is drawn: `cell` is one of cells, `limits` colour its text.
  table(title, why, empty, targets, columns, by=null, sort=null)::
    local value(i) = if std.length(targets) == 1 then 'Value' else 'Value #' + refs[i];
    local spark(column) = std.get(column, 'cell') == $.cells.spark;
    local source(column) = if 'label' in column then column.label else if spark(column) then 'Trend #' + refs[column.of] else value(column.of);
    local strange = [key for column in columns for key in std.objectFields(column) if !(key in settings || std.member(['name', 'label', 'of', 'limits'], key))];
    assert strange == [] : 'the table ' + title + ' has columns with unknown keys: ' + std.join(', ', strange);
    local sources = [source(column) for column in columns];
    local indexes = std.range(0, std.length(columns) - 1);
    local sparks = { [refs[column.of]]: { stat: 'lastNotNull', timeField: 'Time' } for column in columns if spark(column) };
    local limited(column) =
      if 'limits' in column then [property('thresholds', thresholds(column.limits)), property('custom.cellOptions', { type: 'color-text' })] else [];
    // A cell without a value is a dash: it would otherwise repeat the empty text of the panel.
    local properties(column) =
      [property('noValue', '–')] + [property(settings[key], column[key]) for key in std.objectFields(settings) if key in column] + limited(column);
    panel('table', title, why, empty, targets, 'none') {
      transformations:
        (if sparks == {} then [] else [{ id: 'timeSeriesTable', options: sparks }])
        + [{ id: 'filterFieldsByName', options: { include: { names: sources } } }]
        + (if by == null then [] else [{ id: 'joinByField', options: { byField: by, mode: 'outer' } }])
        + [{
          id: 'organize',
          options: {
            indexByName: { [sources[i]]: i for i in indexes },
            renameByName: { [sources[i]]: columns[i].name for i in indexes },
          },
        }],
      fieldConfig+: {
        defaults+: { color: { mode: 'thresholds' }, thresholds: thresholds(null), custom: { align: 'auto', minWidth: 60 } },
        overrides: [override(column.name, properties(column)) for column in columns],
      },
      options: { showHeader: true, cellHeight: 'sm', sortBy: if sort == null then [] else [{ displayName: sort, desc: true }] },
    },
}
