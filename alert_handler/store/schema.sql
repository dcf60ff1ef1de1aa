-- Times are Unix seconds. JSON columns hold what alert_handler/model.py encodes.

-- Every webhook body as it came: committed and synced before its sender is answered.
CREATE TABLE inbox (
  id          INTEGER PRIMARY KEY,
  sender      TEXT NOT NULL,
  received_at REAL NOT NULL,
  body        BLOB NOT NULL,
  state       TEXT NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'done', 'poison'))
);
CREATE INDEX inbox_new ON inbox (id) WHERE state = 'new';

-- Samples of what could not be understood, for the person who has to find out why. Bounded by the query that adds.
CREATE TABLE rejects (
  id          INTEGER PRIMARY KEY,
  sender      TEXT NOT NULL,
  received_at REAL NOT NULL,
  error       TEXT NOT NULL,
  sample      BLOB NOT NULL
);

-- What was told about an alert, once: redeliveries hit the primary key.
CREATE TABLE events (
  identity    TEXT NOT NULL,
  starts_at   REAL NOT NULL,
  status      TEXT NOT NULL,
  received_at REAL NOT NULL,
  inbox_id    INTEGER NOT NULL,
  PRIMARY KEY (identity, starts_at, status)
) WITHOUT ROWID;

-- One label set while it is open. The first group of columns is what the sender tells (written by intake), the second
-- how far the stages are (written by the worker); neither side writes the other's.
CREATE TABLE incidents (
  id            INTEGER PRIMARY KEY,
  identity      TEXT NOT NULL,
  labels        TEXT NOT NULL,
  annotations   TEXT NOT NULL,
  generator_url TEXT NOT NULL,
  status        TEXT NOT NULL CHECK (status IN ('firing', 'resolved')),
  opened_at     REAL NOT NULL,
  starts_at     REAL NOT NULL,
  received_at   REAL NOT NULL,
  last_seen_at  REAL NOT NULL,

  state         TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'closed')),
  closed_at     REAL,
  severity      TEXT NOT NULL DEFAULT '',
  category      TEXT NOT NULL DEFAULT '',
  verdict       TEXT NOT NULL DEFAULT '',
  stage         TEXT DEFAULT 'triage',
  due_at        REAL NOT NULL DEFAULT 0,
  claimed_by    TEXT,
  findings      TEXT NOT NULL DEFAULT '{}'
);
CREATE UNIQUE INDEX incidents_open ON incidents (identity) WHERE state = 'open';
CREATE INDEX incidents_due ON incidents (due_at) WHERE stage IS NOT NULL AND claimed_by IS NULL;
CREATE INDEX incidents_closed ON incidents (identity, closed_at) WHERE state = 'closed';
CREATE INDEX incidents_recent ON incidents (opened_at);

-- The timeline: one row a transition, never changed.
CREATE TABLE transitions (
  id          INTEGER PRIMARY KEY,
  incident_id INTEGER NOT NULL REFERENCES incidents (id),
  at          REAL NOT NULL,
  stage       TEXT NOT NULL,
  outcome     TEXT NOT NULL,
  text        TEXT NOT NULL
);
CREATE INDEX transitions_incident ON transitions (incident_id);

-- One run of a remediation. The two unique indexes are the promise: once per (incident, number), one at a time per target.
CREATE TABLE attempts (
  id          INTEGER PRIMARY KEY,
  incident_id INTEGER NOT NULL REFERENCES incidents (id),
  number      INTEGER NOT NULL,
  playbook    TEXT NOT NULL,
  remediation TEXT NOT NULL,
  target      TEXT NOT NULL,
  digest      TEXT NOT NULL,
  state       TEXT NOT NULL
              CHECK (state IN ('claimed', 'started', 'succeeded', 'failed', 'timed_out', 'unknown')),
  claimed_at  REAL NOT NULL,
  started_at  REAL,
  finished_at REAL,
  outcome     TEXT,
  verdict     TEXT NOT NULL DEFAULT '',
  verified_at REAL,
  UNIQUE (incident_id, number)
);
CREATE UNIQUE INDEX attempts_running ON attempts (target) WHERE state IN ('claimed', 'started');
CREATE INDEX attempts_recent ON attempts (claimed_at);

-- Messages to people: written with the transition that they tell of, delivered when the channel is there.
CREATE TABLE outbox (
  id          INTEGER PRIMARY KEY,
  incident_id INTEGER REFERENCES incidents (id),
  channel     TEXT NOT NULL,
  key         TEXT NOT NULL,
  kind        TEXT NOT NULL,
  message     TEXT NOT NULL,
  created_at  REAL NOT NULL,
  next_try_at REAL NOT NULL,
  tries       INTEGER NOT NULL DEFAULT 0,
  state       TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sent', 'skipped', 'rejected')),
  sent_at     REAL,
  error       TEXT NOT NULL DEFAULT '',
  UNIQUE (channel, key)
);
CREATE INDEX outbox_pending ON outbox (channel, id) WHERE state = 'pending';
CREATE INDEX outbox_incident ON outbox (incident_id);

-- When an always-firing alert was last heard.
CREATE TABLE heartbeats (
  name        TEXT PRIMARY KEY,
  received_at REAL NOT NULL
) WITHOUT ROWID;
