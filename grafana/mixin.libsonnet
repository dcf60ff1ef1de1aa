// The bundle as a monitoring mixin: for those who build boards and rules of many mixins in one go.
// The address under which people reach the alert handler is $._config.handlerUrl.
local rules(file) = std.parseYaml(file).groups;

{
  _config+:: {
    handlerUrl: 'http://127.0.0.1:19093',
  },

  grafanaDashboards+:: (import 'dashboards.jsonnet')(handler=$._config.handlerUrl),

  // Recording and alerting rules of one topic stand in one file and are evaluated in its order, so both lists are made of
  // the same files: a group in prometheusRules has only its recordings, a group in prometheusAlerts only its alerts.
  local groups = std.flattenArrays([rules(file) for file in [
    importstr '../prometheus/rules/alert_handler.rules.yml',
    importstr '../prometheus/rules/cpu.rules.yml',
    importstr '../prometheus/rules/disk.rules.yml',
    importstr '../prometheus/rules/errors.rules.yml',
    importstr '../prometheus/rules/exporter.rules.yml',
    importstr '../prometheus/rules/latency.rules.yml',
    importstr '../prometheus/rules/memory.rules.yml',
    importstr '../prometheus/rules/saturation.rules.yml',
    importstr '../prometheus/rules/services.rules.yml',
    importstr '../prometheus/rules/watchdog.rules.yml',
  ]]),
  local only(kind) = [
    group { rules: [rule for rule in group.rules if kind in rule] }
    for group in groups
    if std.length([rule for rule in group.rules if kind in rule]) > 0
  ],

  prometheusAlerts+:: { groups+: only('alert') },
  prometheusRules+:: { groups+: only('record') },
}
