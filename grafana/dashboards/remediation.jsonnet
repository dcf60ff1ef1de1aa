local board = import '../lib/board.libsonnet';
local panel = import '../lib/panel.libsonnet';
local q = import '../lib/query.libsonnet';
local theme = import '../lib/theme.libsonnet';

local limits = theme.limits;
local words = theme.words;
local incidents = panel.link('Open incidents', '${handler:raw}/incidents?state=open');
local actions = panel.link('Actions in the alert handler', '${handler:raw}/actions');
local handler = panel.link('The alert handler', '${handler:raw}/');

local absent = 'The alert handler is not scraped.';
local idle = 'Nothing was remediated in this time.';
local unheard = 'No notification was received in this time.';
local silent = 'No message was sent in this time.';
local verdicts = { fixed: 'green', not_fixed: 'red', inconclusive: 'yellow' };

local now(metric) = q.handler(metric);
local mode = 'max(2 * ' + q.handler('nightshift_mode_info', 'mode="act"') + ' or ' + q.handler('nightshift_mode_info', 'mode="recommend"') + ' or 0 * ' + q.handler('nightshift_mode_info', 'mode="observe"') + ')';
local slow(quantile, by, metric) = q.rare(quantile, by, q.handler(metric + '_bucket'));
local delivered(metric) = q.events('channel', q.handler(metric), '15m');
// Every playbook that was tried has a figure for each verdict, if only 0.
local outcomes(verdict) =
  q.total('playbook', q.handler('nightshift_remediation_outcomes_total', 'verdict="' + verdict + '"'))
  + ' or 0 * ' + q.total('playbook', q.handler('nightshift_remediation_outcomes_total'));

board.new(
  'nightshift-remediation',
  'Nightshift / Remediation',
  'What does Nightshift do by itself, does it help, and what keeps it from acting?',
  visible=['datasource'],
  since='now-6h',
  rows=[
    { height: 4, panels: [
      [3, panel.status('Mode', 'observe: stores and tells; recommend: says what it would do; act: does it.', 'No handler.', words.mode, [q.now(mode)], [handler])],
      [10, panel.status(
        'Switches',
        'The switches that must be on before anything is done, and the kill switch, which stops every action at once.',
        'No handler.',
        words.switch,
        [q.now(q.max('switch', now('nightshift_switch_enabled')), '{{switch}}')],
        [handler],
        mode='value_and_name',
        overrides=[
          panel.rename('autonomous_monitoring', 'monitoring'),
          panel.rename('auto_remediation', 'remediation'),
          panel.rename('pam_integration', 'PAM'),
          panel.rename('kill_switch', 'kill switch', words.kill),
        ]
      )],
      [2, panel.tile('Running', 'Actions that run at this moment.', 'No handler.', 'short', [q.now('sum(' + now('nightshift_remediation_running') + ')')], null, [actions])],
      [3, panel.tile('Given up', 'Pairs of action and target with three verified failures within the hour: Nightshift does not try again, a person must.', 'No handler.', 'short', [q.now('max(' + now('nightshift_strikes_open') + ')')], theme.any('orange'), [incidents])],
      [3, panel.tile('Messages waiting', 'Messages in the outbox, all channels. They are sent again until they get through.', 'No handler.', 'short', [q.now(q.count('channel', 'nightshift_outbox_pending'))], theme.any('yellow'), [incidents])],
      [3, panel.status('Watchdog', 'Whether the always firing watchdog alert reached the alert handler in time: the proof that alerts get through.', 'No handler.', words.watchdog, [q.now('max(' + now('nightshift_watchdog_missing') + ')')], [incidents])],
    ] },
    { height: 9, panels: [
      [8, panel.trend(
        'Reaction',
        'Time from a received notification to the start of the action. The line is what is promised.',
        idle,
        's',
        [q.curve(slow('0.5', '', 'nightshift_reaction_seconds'), 'p50'), q.curve(slow('0.99', '', 'nightshift_reaction_seconds'), 'p99')],
        limits('reaction_seconds')
      )],
      [8, panel.bars('Verdicts', 'What became of each attempt, asked of Prometheus after the action: fixed, not fixed, or no proof either way.', idle, [q.curve(q.bars('verdict', q.handler('nightshift_remediation_outcomes_total')), '{{verdict}}')], verdicts)],
      [8, panel.table(
        'Decisions and their reasons',
        'How often each decision was taken in this time, and why: what keeps Nightshift from acting is here.',
        'No decision was taken in this time.',
        [q.rows(q.total('verdict, reason', q.handler('nightshift_decisions_total')) + ' > 0')],
        [{ name: 'Decision', label: 'verdict' }, { name: 'Reason', label: 'reason' }, { name: 'Times', of: 0, decimals: 0, width: 90 }],
        sort='Times'
      )],
    ] },
    { title: 'Attempts', height: 9, panels: [
      [8, panel.bars('Attempts', 'Actions that were started, by kind of remediation.', idle, [q.curve(q.bars('remediation', q.handler('nightshift_remediation_attempts_total')), '{{remediation}}')])],
      [8, panel.bars('Attempts that broke', 'Actions that did not run to their end: an error, or the deadline.', 'No action broke in this time.', [q.curve(q.bars('remediation', q.handler('nightshift_remediation_failures_total')), '{{remediation}}')])],
      [8, panel.table(
        'Success by playbook',
        'Verdicts of the attempts in this time, by playbook.',
        idle,
        [q.rows(outcomes(verdict)) for verdict in ['fixed', 'not_fixed', 'inconclusive']],
        [
          { name: 'Playbook', label: 'playbook', links: [actions] },
          { name: 'Fixed', of: 0, decimals: 0 },
          { name: 'Not fixed', of: 1, decimals: 0, limits: theme.any('orange') },
          { name: 'Inconclusive', of: 2, decimals: 0, limits: theme.any('yellow') },
        ],
        by='playbook'
      )],
    ] },
    { height: 9, panels: [
      [8, panel.trend('Duration of actions', 'The duration that 95 % of the actions stay below, by kind. After 5 minutes an action is killed and a person is called.', idle, 's', [q.curve(slow('0.95', 'remediation', 'nightshift_remediation_duration_seconds'), '{{remediation}}')])],
      [8, panel.trend('Time to resolution', 'Time from opening to closing an incident: half of them take less, by verdict.', 'No incident was closed in this time.', 's', [q.curve(slow('0.5', 'verdict', 'nightshift_incident_resolution_seconds'), '{{verdict}}')])],
      [8, panel.bars('Escalations', 'Incidents that were handed to a person, by reason.', 'Nothing was handed to a person in this time.', [q.curve(q.bars('reason', q.handler('nightshift_escalations_total')), '{{reason}}')])],
    ] },
    { title: 'Messages', height: 9, panels: [
      [8, panel.bars('Deliveries', 'Messages that were tried, by channel.', silent, [q.curve(q.bars('channel', q.handler('nightshift_deliveries_total')), '{{channel}}')])],
      [8, panel.trend('Share of failed deliveries', 'Deliveries that failed against all that were tried; they are tried again.', silent, 'percentunit', [q.curve(q.ratio(delivered('nightshift_delivery_failures_total') + ' or 0 * ' + delivered('nightshift_deliveries_total'), delivered('nightshift_deliveries_total')), '{{channel}}')], limits('delivery_failure_ratio'), max=1)],
      [8, panel.trend('Delay of messages', 'Time from an event to its delivered message, 95 % of them. The line is what is promised.', silent, 's', [q.curve(slow('0.95', 'channel', 'nightshift_delivery_delay_seconds'), '{{channel}}')], limits('delivery_delay_seconds'))],
    ] },
    { title: 'The alert handler itself', height: 9, panels: [
      [6, panel.bars('Received', 'Requests to the intake, by answer: 200 is stored, 4xx is refused for good, 503 must be sent again.', unheard, [q.curve(q.bars('code', q.handler('nightshift_intake_requests_total')), '{{code}}')])],
      [6, panel.trend('Time to store', 'Time from a request to its durable answer.', unheard, 's', [q.curve(slow('0.5', '', 'nightshift_intake_duration_seconds'), 'p50'), q.curve(slow('0.99', '', 'nightshift_intake_duration_seconds'), 'p99')])],
      [6, panel.bars('Failed stages', 'Runs of a stage (triage, diagnose, decide, act, verify, notify, learn) that raised an error.', 'No stage failed in this time.', [q.curve(q.bars('stage', q.handler('nightshift_stage_failures_total')), '{{stage}}')])],
      [6, panel.trend('Duration of stages', 'The duration that 95 % of the runs of a stage stay below.', 'No incident was worked on in this time.', 's', [q.curve(slow('0.95', 'stage', 'nightshift_stage_duration_seconds'), '{{stage}}')])],
    ] },
    { height: 7, panels: [
      [8, panel.trend('Waiting', 'Notifications that are stored and not yet worked on, and messages not yet delivered.', absent, 'short', [q.curve('max(' + now('nightshift_inbox_pending') + ')', 'inbox'), q.curve(q.max('channel', now('nightshift_outbox_pending')), 'outbox {{channel}}')])],
      [8, panel.trend('Size of the store', 'Bytes of the store on disk; the line is the limit of its alert.', absent, 'decbytes', [q.curve('max(' + now('nightshift_store_bytes') + ')', 'store')], limits('store_bytes'))],
      [8, panel.states('What it depends on', 'Whether the store takes writes, and whether Prometheus and Alertmanager answer. Without Prometheus nothing can be verified, so nothing is done.', absent, words.up, [
        q.curve('min(' + now('nightshift_store_writable') + ')', 'store'),
        q.curve('min by (upstream) (' + now('nightshift_upstream_up') + ')', '{{upstream}}'),
      ])],
    ] },
  ],
)
