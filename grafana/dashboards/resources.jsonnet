local board = import '../lib/board.libsonnet';
local panel = import '../lib/panel.libsonnet';
local q = import '../lib/query.libsonnet';
local theme = import '../lib/theme.libsonnet';

local limits = theme.limits;
local incidents = panel.link('Open incidents', '${handler:raw}/incidents?state=open');
local status = panel.link('Status board', '/d/nightshift-status?${__url_time_range}&${__all_variables}');

local no_host = 'No exporter is scraped, or the host chosen above has no data.';
local no_pressure = 'This kernel does not account pressure (PSI).';
local no_health = 'No service with health endpoints is configured.';

local cpu = q.max('instance', q.host('instance:nightshift_cpu_used:ratio_rate1m'));
// Read-only file systems (images, snapshots) are always full and never news.
local filesystem(metric) = q.max('instance, mountpoint', q.host(metric) + ' unless ' + q.host('nightshift_filesystem_readonly') + ' == 1');
local memory = q.host('nightshift_memory_used_ratio');
local handles = q.host('nightshift_file_handles_used_ratio');
local waiting(more='') = q.rate(q.host('nightshift_pressure_waiting_seconds_total', more));
local stalled(more) = q.rate(q.host('nightshift_pressure_stalled_seconds_total', more));
local device(metric) = q.sum('instance, device', q.rate(q.host(metric)));
local state =
  'max by (service) (3 * ' + q.service('nightshift_health_status', 'status="critical"') + ' or 2 * ' + q.service('nightshift_health_status', 'status="degraded"')
  + ' or 1 * ' + q.service('nightshift_health_status', 'status="warning"') + ' or 4 * ' + q.service('nightshift_health_status', 'status="unknown"') + ')';

// The worst of its kind, with its name.
local worst(title, why, empty, expr, legend, limits) =
  panel.tile(title, why, empty, 'percentunit', [q.now('topk(1, ' + expr + ')', legend)], limits, [incidents, status]);

board.new(
  'nightshift-resources',
  'Nightshift / Resources',
  'Which host or service runs out of what, and how fast?',
  visible=['datasource', 'instance', 'service'],
  rows=[
    { height: 4, panels: [
      [4, worst('Busiest CPU', 'Share of CPU time that is neither idle nor waiting for I/O, on the busiest host.', 'No exporter.', cpu, '{{instance}}', limits('cpu_used_ratio'))],
      [4, worst('Fullest memory', 'Used share of memory, (total - available) / total, on the fullest host.', 'No exporter.', q.max('instance', memory), '{{instance}}', limits('memory_used_ratio'))],
      [4, worst('Fullest disk', 'Used share of the fullest file system.', 'No exporter.', filesystem('nightshift_filesystem_used_ratio'), '{{instance}} {{mountpoint}}', limits('disk_used_ratio'))],
      [4, worst('Fullest inodes', 'Used share of inodes on the file system that has the fewest left. Without inodes no file can be made, however many bytes are free.', 'No exporter.', filesystem('nightshift_filesystem_inodes_used_ratio'), '{{instance}} {{mountpoint}}', limits('disk_inodes_used_ratio'))],
      [4, worst('File handles', 'Open files against the limit of the kernel, on the host with the most.', 'No exporter.', q.max('instance', handles), '{{instance}}', limits('file_handles_used_ratio'))],
      [4, worst('Waiting for a CPU', 'Share of time in which some task was ready to run and had to wait, on the worst host.', 'No PSI.', q.max('instance', waiting('resource="cpu"')), '{{instance}}', limits('cpu_waiting_ratio'))],
    ] },
    { title: 'CPU', height: 9, panels: [
      [8, panel.trend('CPU used', 'Share of CPU time that is neither idle nor waiting for I/O, all CPUs of a host together.', no_host, 'percentunit', [q.curve(cpu, '{{instance}}')], limits('cpu_used_ratio'), max=1)],
      [8, panel.trend('CPU by mode', 'What the CPUs of the chosen hosts do; steal is time that the hypervisor gave to others.', no_host, 'percentunit', [q.curve('sum by (mode) (' + q.rate(q.host('nightshift_cpu_seconds_total', 'mode!="idle"')) + ') / scalar(sum(' + q.host('nightshift_cpus') + '))', '{{mode}}')])],
      [8, panel.trend('Load per CPU', 'Tasks that run or wait, averaged over 1 and 15 minutes, per CPU: beyond 1 they queue.', no_host, 'short', [
        q.curve(q.host('nightshift_load1') + ' / on (job, instance) ' + q.host('nightshift_cpus'), '{{instance}} 1m'),
        q.curve(q.host('nightshift_load15') + ' / on (job, instance) ' + q.host('nightshift_cpus'), '{{instance}} 15m'),
      ])],
    ] },
    { title: 'Memory and pressure', height: 9, panels: [
      [8, panel.trend('Memory used', 'Used share of memory, (total - available) / total.', no_host, 'percentunit', [q.curve(q.max('instance', memory), '{{instance}}')], limits('memory_used_ratio'), max=1)],
      [8, panel.trend('Tasks waiting', 'Share of time in which some task waited for CPU, memory or I/O; the line is the limit of CPU.', no_pressure, 'percentunit', [q.curve(q.max('resource', waiting()), '{{resource}}')], limits('cpu_waiting_ratio'))],
      [8, panel.trend('All tasks stalled', 'Share of time in which every task waited for memory or I/O: the host did nothing useful. The line is the limit of memory.', no_pressure, 'percentunit', [q.curve(q.max('resource', stalled('resource=~"memory|io"')), '{{resource}}')], limits('memory_stalled_ratio'))],
    ] },
    { title: 'Disks', height: 9, panels: [
      [8, panel.trend('Disk used', 'Used share of each file system, as an ordinary user sees it.', no_host, 'percentunit', [q.curve(filesystem('nightshift_filesystem_used_ratio'), '{{instance}} {{mountpoint}}')], limits('disk_used_ratio'), max=1)],
      [8, panel.trend('Inodes used', 'Used share of the inodes of each file system.', no_host, 'percentunit', [q.curve(filesystem('nightshift_filesystem_inodes_used_ratio'), '{{instance}} {{mountpoint}}')], limits('disk_inodes_used_ratio'), max=1)],
      [8, panel.flow('Disk traffic', 'Bytes per second written (above zero) and read (below), by device.', no_host, 'Bps', [
        q.curve(device('nightshift_disk_written_bytes_total'), 'write {{instance}} {{device}}'),
        q.curve(device('nightshift_disk_read_bytes_total'), 'read {{instance}} {{device}}'),
      ])],
    ] },
    { height: 9, panels: [
      [8, panel.trend('Disk busy', 'Share of time in which a device had work; at 1 a spinning disk is at its end, a parallel one need not be.', no_host, 'percentunit', [q.curve(device('nightshift_disk_io_time_seconds_total'), '{{instance}} {{device}}')], max=1)],
      [8, panel.flow('Network traffic', 'Bytes per second received (above zero) and sent (below), by device.', no_host, 'Bps', [
        q.curve(device('nightshift_network_receive_bytes_total'), 'received {{instance}} {{device}}'),
        q.curve(device('nightshift_network_transmit_bytes_total'), 'sent {{instance}} {{device}}'),
      ])],
      [8, panel.trend('Network errors and drops', 'Packets per second that were damaged or thrown away, both directions. Any lasting figure above zero is a fault.', no_host, 'pps', [
        q.curve(device('nightshift_network_receive_errors_total') + ' + ' + device('nightshift_network_transmit_errors_total'), 'errors {{instance}} {{device}}'),
        q.curve(device('nightshift_network_receive_dropped_total') + ' + ' + device('nightshift_network_transmit_dropped_total'), 'drops {{instance}} {{device}}'),
      ])],
    ] },
    { title: 'Services, as their health endpoints tell', height: 9, panels: [
      [12, panel.table(
        'Health of services',
        'What each service says of itself. Readings from: remote (its endpoint) or local (this host, because the endpoint did not answer).',
        no_health,
        [
          q.rows(state),
          q.rows(q.max('service, source', q.service('nightshift_health_source') + ' == 1')),
          q.rows(q.max('service', q.service('nightshift_health_memory_used_ratio'))),
          q.rows(q.max('service', q.service('nightshift_health_disk_used_ratio'))),
          q.rows(q.max('service', q.service('nightshift_health_cpu_used_ratio'))),
        ],
        [
          { name: 'Service', label: 'service', links: [panel.link('This service on the status board', '/d/nightshift-status?${__url_time_range}&var-service=${__data.fields.Service:percentencode}')] },
          { name: 'State', of: 0, words: theme.words.state, cell: panel.cells.filled },
          { name: 'Readings from', label: 'source' },
          { name: 'Memory', of: 2, unit: 'percentunit', limits: limits('memory_used_ratio') },
          { name: 'Disk', of: 3, unit: 'percentunit', limits: limits('disk_used_ratio') },
          { name: 'CPU', of: 4, unit: 'percentunit', limits: limits('cpu_used_ratio') },
        ],
        by='service'
      )],
      [12, panel.states('State over time', 'What each service said of itself; UNKNOWN when it said nothing.', no_health, theme.words.state, [q.curve(state, '{{service}}')])],
    ] },
    { title: 'What Nightshift itself takes', height: 9, panels: [
      [8, panel.trend('Resident memory', 'Memory of the exporter and the alert handler; both promise to stay below the line.', 'No process of Nightshift is scraped.', 'decbytes', [q.curve(q.max('job, instance', q.own('process_resident_memory_bytes')), '{{job}} {{instance}}')], limits('resident_memory_bytes'))],
      [8, panel.trend('CPU', 'CPU seconds per second of the exporter and the alert handler; both promise to stay below the line.', 'No process of Nightshift is scraped.', 'percentunit', [q.curve(q.max('job, instance', q.own('rate(process_cpu_seconds_total[$__rate_interval])')), '{{job}} {{instance}}')], limits('process_cpu_ratio'))],
      [8, panel.trend('Duration of collectors', 'How long each collector took at its last run; the line is the limit of its alert.', no_host, 's', [q.curve(q.max('collector', q.host('nightshift_collector_duration_seconds')), '{{collector}}')], limits('collector_seconds'))],
    ] },
  ],
)
