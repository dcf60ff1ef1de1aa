// Words, colours and limits: one order of severities for boards, alerts and pages; limits come from the file that the rules use.
local targets = std.parseYaml(importstr '../../prometheus/targets.yml');

local mapping(words) = [{
  type: 'value',
  options: {
    [words[i][0]]: { index: i, text: words[i][1], color: words[i][2] }
    for i in std.range(0, std.length(words) - 1)
  },
}];

// Lowest first: the level's name in targets.yml, its colour, and the state that crossing it means (words.state).
local levels = [['warning', 'yellow', 1], ['high', 'orange', 2], ['critical', 'red', 3]];

{
  severities:: [['low', 'blue'], ['medium', 'yellow'], ['high', 'orange'], ['critical', 'red']],

  // Neither good nor bad: nobody can say.
  unknown:: 'purple',

  words:: {
    state: mapping([
      ['0', 'HEALTHY', 'green'],
      ['1', 'WARNING', 'yellow'],
      ['2', 'DEGRADED', 'orange'],
      ['3', 'CRITICAL', 'red'],
      ['4', 'UNKNOWN', $.unknown],
    ]),
    severity: mapping([[s[0], std.asciiUpper(s[0]), s[1]] for s in $.severities]),
    // The same for queries that give severities as numbers, because a state over time is drawn from numbers.
    severity_number: mapping([['0', 'OTHER', $.unknown]] + [[std.toString(i + 1), std.asciiUpper($.severities[i][0]), $.severities[i][1]] for i in std.range(0, 3)]),
    up: mapping([['1', 'UP', 'green'], ['0', 'DOWN', 'red']]),
    switch: mapping([['1', 'ON', 'green'], ['0', 'OFF', 'orange']]),
    kill: mapping([['1', 'PULLED', 'red'], ['0', 'READY', 'green']]),
    mode: mapping([['0', 'OBSERVE', 'blue'], ['1', 'RECOMMEND', 'blue'], ['2', 'ACT', 'green']]),
    watchdog: mapping([['0', 'HEARD', 'green'], ['1', 'MISSING', 'red']]),
    direction: mapping([['1', '▲ rising', 'text'], ['0', '● steady', 'text'], ['-1', '▼ falling', 'text']]),
  },

  // The alerting levels of *key* in targets.yml, lowest first: [{ value, color, state }].
  limits(key, scale=1)::
    assert std.objectHas(targets, key) : 'prometheus/targets.yml has no ' + key + '; it has ' + std.join(', ', std.objectFields(targets));
    [
      { value: targets[key].levels[l[0]] * scale, color: l[1], state: l[2] }
      for l in levels
      if std.objectHas(targets[key].levels, l[0])
    ],
  // For counts whose alert asks for "more than none".
  any(color):: [{ value: 1, color: color }],

  steps(limits):: [{ color: 'green', value: null }] + [{ color: l.color, value: l.value } for l in limits],
  neutral:: [{ color: 'text', value: null }],
}
