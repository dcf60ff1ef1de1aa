// All boards by file name, in one evaluation. `handler` is the address under which people reach the alert handler.
local boards = {
  'remediation.json': import 'dashboards/remediation.jsonnet',
  'resources.json': import 'dashboards/resources.jsonnet',
  'status.json': import 'dashboards/status.jsonnet',
};

function(handler='http://127.0.0.1:19093') { [name]: boards[name] { handler:: handler } for name in std.objectFields(boards) }
