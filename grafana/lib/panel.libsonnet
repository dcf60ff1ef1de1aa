// Panels by what they are for. Every one says what it shows (title), why it matters (why), and why it may be empty (empty).
// `limits` is a list of { value, color }: theme.limits(key), theme.any(color), or null for a figure without good or bad.
local query = import 'query.libsonnet';
local theme = import 'theme.libsonnet';

local refs = ['A', 'B', 'C', 'D', 'E', 'F', 'G', 'H'];
local referred(targets) = [targets[i] { refId: refs[i] } for i in std.range(0, std.length(targets) - 1)];
local link(title, url) = { title: title, url: url, targetBlank: std.startsWith(url, '$') };
local thresholds(limits) = { mode: 'absolute', steps: if limits == null then theme.neutral else theme.steps(limits) };
local property(id, value) = { id: id, value: value };
local override(name, properties) = { matcher: { id: 'byName', options: name }, properties: properties };
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

local stat(base, background, mode) = base {
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
  // A value of its own for what is called *name*: other words, or a shorter name.
  rename(name, as, words=null):: override(name, [property('displayName', as)] + if words == null then [] else [property('mappings', words)]),

  // One word for a state; the words carry the colours.
  status(title, why, empty, words, targets, links=[], mode='value', overrides=[])::
    stat(panel('stat', title, why, empty, targets, 'short'), true, mode) {
      fieldConfig+: {
        defaults+: { mappings: words, color: { mode: 'thresholds' }, thresholds: { mode: 'absolute', steps: theme.neutral }, links: links },
        overrides: overrides,
      },
    },

  // One figure, or a few with names.
  tile(title, why, empty, unit, targets, limits=null, links=[], overrides=[], mode=null)::
    local named = targets[0].legendFormat != '__auto';
    colored(stat(panel('stat', title, why, empty, targets, unit), false, if mode != null then mode else if named then 'value_and_name' else 'value'), limits, links) {
      fieldConfig+: { overrides: [override(o[0], [property('thresholds', thresholds(o[1]))]) for o in overrides] },
    },

  // Curves over time with the alert's limits as dashed lines; the lowest is always in view.
  trend(title, why, empty, unit, targets, limits=null, max=null)::
    series(panel('timeseries', title, why, empty, targets, unit), limits, {}, ['lastNotNull', 'max']) {
      fieldConfig+: { defaults+: { min: 0 } + (if max == null then {} else { max: max }) + (if limits == null || max != null then {} else { custom+: { axisSoftMax: limits[0].value } }) },
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
  counts(title, why, empty, targets, colors={})::
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

  // Rows that share the label *by*; a column is { name, and either of (index of a target) or
  // label; also unit, decimals, words, filled (by the colour of the word), limits, links, width, least (width), spark }.
  table(title, why, empty, targets, columns, by=null, sort=null)::
    local base = panel('table', title, why, empty, targets, 'none');
    local source(column) =
      if 'label' in column then column.label
      else if std.get(column, 'spark', false) then 'Trend #' + refs[column.of]
      else if std.length(targets) == 1 then 'Value'
      else 'Value #' + refs[column.of];
    local sources = [source(column) for column in columns];
    local indexes = std.range(0, std.length(columns) - 1);
    local sparks = [refs[column.of] for column in columns if std.get(column, 'spark', false)];
    // A cell without a value is a dash: it would otherwise repeat the empty text of the panel.
    local properties(column) =
      [property('noValue', '–')]
      + (if 'unit' in column then [property('unit', column.unit)] else [])
      + (if 'decimals' in column then [property('decimals', column.decimals)] else [])
      + (if 'width' in column then [property('custom.width', column.width)] else [])
      + (if 'least' in column then [property('custom.minWidth', column.least)] else [])
      + (if 'links' in column then [property('links', column.links)] else [])
      + (if 'words' in column then [property('mappings', column.words)] else [])
      + (if std.get(column, 'filled', false) then [property('custom.cellOptions', { type: 'color-background', mode: 'basic' })] else [])
      + (if 'limits' in column then [property('thresholds', thresholds(column.limits)), property('custom.cellOptions', { type: 'color-text' })] else [])
      + (if std.get(column, 'spark', false) then [property('custom.cellOptions', { type: 'sparkline', hideValue: true, lineWidth: 1 })] else []);
    base {
      transformations:
        (if sparks == [] then [] else [{ id: 'timeSeriesTable', options: { [ref]: { stat: 'lastNotNull', timeField: 'Time' } for ref in sparks } }])
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
        defaults+: { color: { mode: 'thresholds' }, thresholds: { mode: 'absolute', steps: theme.neutral }, custom: { align: 'auto', minWidth: 60 } },
        overrides: [override(column.name, properties(column)) for column in columns],
      },
      options: { showHeader: true, cellHeight: 'sm', sortBy: if sort == null then [] else [{ displayName: sort, desc: true }] },
    },
}
