-- Named queries: a line "name: x" in a comment opens each; parameters are :named.

-- name: inbox_add
INSERT INTO inbox (sender, received_at, body) VALUES (:sender, :received_at, :body);

-- name: inbox_next
SELECT id, sender, received_at, body FROM inbox WHERE state = 'new' ORDER BY id LIMIT :limit;

-- name: inbox_mark
UPDATE inbox SET state = :state WHERE id = :id;

-- name: inbox_forget
DELETE FROM inbox WHERE state <> 'new' AND received_at < :before;

-- name: inbox_pending
SELECT count(*) AS n FROM inbox WHERE state = 'new';

-- name: reject_add
INSERT INTO rejects (sender, received_at, error, sample) VALUES (:sender, :received_at, :error, :sample);

-- name: reject_trim
DELETE FROM rejects WHERE id <= (SELECT max(id) FROM rejects) - :keep;

-- name: rejects_recent
SELECT id, sender, received_at, error, sample FROM rejects ORDER BY id DESC LIMIT :limit;

-- name: event_add
INSERT INTO events (identity, starts_at, status, received_at, inbox_id)
VALUES (:identity, :starts_at, :status, :received_at, :inbox_id)
ON CONFLICT DO NOTHING;

-- name: event_begin_anew
-- Told as over before a certain time, a start that fires again counts as never told.
DELETE FROM events
WHERE identity = :identity AND starts_at = :starts_at
  AND EXISTS (SELECT 1 FROM events WHERE identity = :identity AND starts_at = :starts_at
              AND status = 'resolved' AND received_at < :before);

-- name: event_resolved_since
-- Was it told already that this start, or a later one, is over? Deliveries can overtake each other.
SELECT 1 FROM events WHERE identity = :identity AND status = 'resolved' AND starts_at >= :starts_at LIMIT 1;

-- name: incident_open
SELECT * FROM incidents WHERE identity = :identity AND state = 'open';

-- name: incident_last_closed
SELECT * FROM incidents WHERE identity = :identity AND state = 'closed' ORDER BY closed_at DESC LIMIT 1;

-- name: incident_add
INSERT INTO incidents (identity, labels, annotations, generator_url, status, opened_at, starts_at, received_at,
                       last_seen_at, due_at)
VALUES (:identity, :labels, :annotations, :generator_url, 'firing', :received_at, :starts_at, :received_at,
        :received_at, :received_at);

-- name: incident_seen
UPDATE incidents
SET last_seen_at = max(last_seen_at, :received_at), annotations = :annotations, generator_url = :generator_url
WHERE id = :id;

-- name: incident_episode
-- The alert fires (again): a new start of the same label set.
UPDATE incidents
SET status = 'firing', starts_at = :starts_at, received_at = :received_at, state = 'open', closed_at = NULL
WHERE id = :id;

-- name: incident_resolved
UPDATE incidents SET status = 'resolved' WHERE id = :id;

-- name: incident_enter
-- An incident at rest goes to a stage; one on its way is left alone.
UPDATE incidents SET stage = :stage, due_at = :due_at WHERE id = :id AND stage IS NULL;

-- name: incident_hurry
-- Whatever it waits for, look again now: the alert's status changed.
UPDATE incidents SET due_at = min(due_at, :due_at) WHERE id = :id AND stage = 'decide';

-- name: incident_claim
UPDATE incidents SET claimed_by = :owner
WHERE id = (SELECT id FROM incidents WHERE stage IS NOT NULL AND claimed_by IS NULL AND due_at <= :now
            ORDER BY due_at, id LIMIT 1)
RETURNING *;

-- name: incident_next_due
SELECT min(due_at) AS due_at FROM incidents WHERE stage IS NOT NULL AND claimed_by IS NULL;

-- name: incident_save
-- Intake may have written while the last stage ran: an incident that would come to rest goes on when its alert has
-- begun a new episode, or was resolved unseen; one that would wait for the policy does not, when its status changed.
UPDATE incidents
SET stage = CASE WHEN :stage IS NOT NULL THEN :stage
                 WHEN (starts_at, received_at) <> (:starts_at, :received_at) THEN 'triage'
                 WHEN status = 'resolved' AND :state = 'open' THEN 'learn' END,
    state = CASE WHEN (starts_at, received_at) <> (:starts_at, :received_at) THEN 'open' ELSE :state END,
    closed_at = CASE WHEN (starts_at, received_at) <> (:starts_at, :received_at) THEN NULL ELSE :closed_at END,
    due_at = CASE WHEN :stage = 'decide' AND status <> :status THEN min(:due_at, :at) ELSE :due_at END,
    severity = :severity, category = :category, verdict = :verdict,
    claimed_by = :claimed_by, findings = :findings
WHERE id = :id;

-- name: incident_release_all
UPDATE incidents SET claimed_by = NULL WHERE claimed_by IS NOT NULL;

-- name: incident_wake_all
UPDATE incidents SET due_at = :now WHERE stage IS NOT NULL AND due_at > :now;

-- name: incident_release
UPDATE incidents SET claimed_by = NULL, due_at = :due_at WHERE id = :id;

-- name: incident_get
SELECT * FROM incidents WHERE id = :id;

-- name: incidents_list
SELECT * FROM incidents
WHERE (:state = '' OR state = :state) AND id < :before
ORDER BY id DESC LIMIT :limit;

-- name: incidents_open_by_severity
SELECT severity, count(*) AS n FROM incidents WHERE state = 'open' GROUP BY severity;

-- name: transition_add
INSERT INTO transitions (incident_id, at, stage, outcome, text) VALUES (:incident_id, :at, :stage, :outcome, :text);

-- name: transitions_of
SELECT at, stage, outcome, text FROM transitions WHERE incident_id = :incident_id ORDER BY id;

-- name: attempt_claim
INSERT INTO attempts (incident_id, number, playbook, remediation, target, digest, state, claimed_at)
VALUES (:incident_id, :number, :playbook, :remediation, :target, :digest, 'claimed', :claimed_at);

-- name: attempt_start
UPDATE attempts SET state = 'started', started_at = :started_at WHERE id = :id AND state = 'claimed';

-- name: attempt_write
UPDATE attempts
SET state = :state, finished_at = :finished_at, outcome = :outcome, verdict = :verdict, verified_at = :verified_at
WHERE id = :id;

-- name: attempt_of
SELECT * FROM attempts WHERE incident_id = :incident_id AND number = :number;

-- name: attempts_of
SELECT * FROM attempts WHERE incident_id = :incident_id ORDER BY number;

-- name: attempts_since
SELECT * FROM attempts WHERE claimed_at > :since OR state IN ('claimed', 'started') ORDER BY claimed_at;

-- name: strikes_open
SELECT count(*) AS n FROM (
  SELECT 1 FROM attempts WHERE verdict = 'not_fixed' AND claimed_at > :since
  GROUP BY remediation, target HAVING count(*) >= :strikes);

-- name: attempts_list
SELECT * FROM attempts WHERE id < :before ORDER BY id DESC LIMIT :limit;

-- name: attempts_success
-- How often a remediation fixed one alert before: verified outcomes only.
SELECT sum(a.verdict = 'fixed') AS fixed, count(*) AS n
FROM attempts a JOIN incidents i ON i.id = a.incident_id
WHERE a.verdict IN ('fixed', 'not_fixed') AND a.remediation = :remediation
  AND json_extract(i.labels, '$.alertname') = :alertname;

-- name: outbox_add
INSERT INTO outbox (incident_id, channel, key, kind, message, created_at, next_try_at)
VALUES (:incident_id, :channel, :key, :kind, :message, :created_at, :created_at)
ON CONFLICT DO NOTHING;

-- name: outbox_head
SELECT id, channel, message, created_at, next_try_at, tries FROM outbox
WHERE channel = :channel AND state = 'pending' ORDER BY id LIMIT 1;

-- name: outbox_sent
UPDATE outbox SET state = 'sent', sent_at = :sent_at, tries = tries + 1, error = '' WHERE id = :id;

-- name: outbox_skipped
UPDATE outbox SET state = 'skipped' WHERE id = :id;

-- name: outbox_failed
UPDATE outbox SET state = :state, next_try_at = :next_try_at, tries = tries + 1, error = :error WHERE id = :id;

-- name: outbox_of
SELECT channel, kind, created_at, sent_at, state, tries, error, message FROM outbox
WHERE incident_id = :incident_id ORDER BY id;

-- name: outbox_pending
SELECT channel, count(*) AS n, min(created_at) AS oldest FROM outbox WHERE state = 'pending' GROUP BY channel;

-- name: heartbeat_set
INSERT INTO heartbeats (name, received_at) VALUES (:name, :received_at)
ON CONFLICT (name) DO UPDATE SET received_at = excluded.received_at;

-- name: heartbeat_get
SELECT received_at FROM heartbeats WHERE name = :name;

-- name: probe_add
-- As large as a webhook, so that it takes new pages; gone again in the same commit.
INSERT INTO rejects (id, sender, received_at, error, sample) VALUES (-1, '', 0, 'probe', zeroblob(65536));

-- name: probe_remove
DELETE FROM rejects WHERE id = -1;
