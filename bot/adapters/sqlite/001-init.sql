-- Times are ISO 8601 text in UTC with milliseconds: they sort as text and read as they are.
-- JSON columns hold canonical or compact JSON; they are parsed by a schema on the way out.

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- One row: who may write, in which generation, and the latest wall clock ever seen (time never runs back).
CREATE TABLE writer (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  epoch INTEGER NOT NULL,
  holder TEXT NOT NULL,
  latest_at TEXT NOT NULL
) STRICT;

-- Ingest and queue ---------------------------------------------------------------------------------------------------

-- One row for each delivery. Its id is a hash of what was delivered, so a repeat finds the first one by the same index. `seq` is the order of
-- arrival. The body of a delivery that was worked on lives on in its alerts; only what waits or failed keeps it.
CREATE TABLE receipts (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  group_key TEXT NOT NULL,
  receiver TEXT NOT NULL,
  body TEXT NOT NULL,
  alerts INTEGER NOT NULL,
  truncated INTEGER NOT NULL,
  -- Made by Steward itself of what it read from Alertmanager, because no webhook had named it.
  late INTEGER NOT NULL DEFAULT 0,
  state TEXT NOT NULL CHECK (state IN ('queued', 'done', 'dead')),
  tries INTEGER NOT NULL DEFAULT 0,
  error TEXT,
  repeats INTEGER NOT NULL DEFAULT 0,
  received_at TEXT NOT NULL,
  last_received_at TEXT NOT NULL
) STRICT;
CREATE INDEX receipts_queued ON receipts (seq) WHERE state = 'queued';
CREATE INDEX receipts_received ON receipts (received_at);

CREATE TABLE incidents (
  id TEXT PRIMARY KEY,
  card_id TEXT NOT NULL UNIQUE,
  key TEXT NOT NULL,
  alertname TEXT NOT NULL,
  severity TEXT NOT NULL,
  namespace TEXT,
  target TEXT,
  root TEXT,
  state TEXT NOT NULL CHECK (state IN ('open', 'resolved', 'ignored')),
  route TEXT NOT NULL CHECK (route IN ('notify', 'diagnose', 'autofix', 'ignore')),
  rule TEXT,
  allow TEXT NOT NULL,
  mode TEXT NOT NULL CHECK (mode IN ('enforce', 'shadow')),
  labels TEXT NOT NULL,
  annotations TEXT NOT NULL,
  group_keys TEXT NOT NULL,
  late INTEGER NOT NULL DEFAULT 0,
  flapping INTEGER NOT NULL DEFAULT 0,
  claimed_by TEXT,
  claimed_at TEXT,
  joined TEXT REFERENCES incidents (id),
  previous_id TEXT REFERENCES incidents (id),
  investigation TEXT NOT NULL CHECK (investigation IN ('none', 'queued', 'running', 'done', 'failed')),
  facts TEXT NOT NULL DEFAULT '[]',
  diagnosis TEXT,
  escalate_at TEXT,
  escalated_at TEXT,
  reminded_at TEXT,
  started_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  resolved_at TEXT,
  ignored_until TEXT
) STRICT;
-- One incident however often it is sent: an open or ignored incident is the only one of its key.
CREATE UNIQUE INDEX incidents_live ON incidents (key) WHERE state IN ('open', 'ignored');
CREATE INDEX incidents_key ON incidents (key, started_at);
CREATE INDEX incidents_started ON incidents (started_at, id);
CREATE INDEX incidents_updated ON incidents (updated_at);
CREATE INDEX incidents_unfinished ON incidents (investigation) WHERE investigation IN ('queued', 'running');
-- What the clock has to look at: few rows, however many incidents are kept.
CREATE INDEX incidents_escalating ON incidents (escalate_at) WHERE state = 'open' AND escalate_at IS NOT NULL AND escalated_at IS NULL;
CREATE INDEX incidents_unreminded ON incidents (started_at) WHERE state = 'open' AND reminded_at IS NULL;
CREATE INDEX incidents_guessed ON incidents (started_at) WHERE state = 'open' AND root ->> 'confirmed' = 0;
CREATE INDEX incidents_ignored ON incidents (ignored_until) WHERE state = 'ignored';
CREATE INDEX incidents_joined ON incidents (joined) WHERE joined IS NOT NULL;

-- Changes of state of a key, for "flapping".
CREATE TABLE incident_changes (key TEXT NOT NULL, at TEXT NOT NULL, state TEXT NOT NULL) STRICT;
CREATE INDEX incident_changes_key ON incident_changes (key, at);

CREATE TABLE alerts (
  id TEXT PRIMARY KEY,
  fingerprint TEXT NOT NULL,
  incident_id TEXT NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
  group_key TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('firing', 'resolved')),
  labels TEXT NOT NULL,
  annotations TEXT NOT NULL,
  generator_url TEXT NOT NULL,
  starts_at TEXT NOT NULL,
  ends_at TEXT,
  first_seen_at TEXT NOT NULL,
  last_seen_at TEXT NOT NULL,
  UNIQUE (fingerprint, starts_at)
) STRICT;
CREATE INDEX alerts_incident ON alerts (incident_id, status);
CREATE INDEX alerts_first_seen ON alerts (first_seen_at);

CREATE TABLE receipt_incidents (
  receipt_id TEXT NOT NULL REFERENCES receipts (id) ON DELETE CASCADE,
  incident_id TEXT NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
  PRIMARY KEY (receipt_id, incident_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX receipt_incidents_incident ON receipt_incidents (incident_id);

-- Investigation ------------------------------------------------------------------------------------------------------

CREATE TABLE investigations (
  id TEXT PRIMARY KEY,
  incident_id TEXT REFERENCES incidents (id) ON DELETE CASCADE,
  diagnosed_by TEXT NOT NULL CHECK (diagnosed_by IN ('rules', 'model', 'memory')),
  state TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed')),
  model TEXT,
  calls INTEGER NOT NULL DEFAULT 0,
  tokens INTEGER NOT NULL DEFAULT 0,
  error TEXT,
  started_at TEXT NOT NULL,
  finished_at TEXT
) STRICT;
CREATE INDEX investigations_incident ON investigations (incident_id);

CREATE TABLE evidence (
  id TEXT PRIMARY KEY,
  incident_id TEXT REFERENCES incidents (id) ON DELETE CASCADE,
  investigation_id TEXT REFERENCES investigations (id) ON DELETE CASCADE,
  tool TEXT NOT NULL,
  args TEXT NOT NULL,
  text TEXT NOT NULL,
  charts TEXT,
  at TEXT NOT NULL
) STRICT;
CREATE INDEX evidence_incident ON evidence (incident_id, at);

-- A conversation keeps the evidence and turns of an incident, in chat and terminal alike.
CREATE TABLE conversations (
  id TEXT PRIMARY KEY,
  incident_id TEXT REFERENCES incidents (id) ON DELETE CASCADE,
  channel TEXT NOT NULL,
  thread TEXT NOT NULL,
  user_id TEXT,
  started_at TEXT NOT NULL,
  last_at TEXT NOT NULL,
  UNIQUE (channel, thread)
) STRICT;
CREATE TABLE turns (
  conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
  n INTEGER NOT NULL,
  role TEXT NOT NULL CHECK (role IN ('person', 'steward', 'tool')),
  content TEXT NOT NULL,
  at TEXT NOT NULL,
  PRIMARY KEY (conversation_id, n)
) STRICT, WITHOUT ROWID;

-- Similar incidents are found by their words.
CREATE VIRTUAL TABLE incident_words USING fts5 (incident_id UNINDEXED, alertname, target, cause, conclusion, tokenize = 'unicode61');

CREATE TABLE model_usage (day TEXT PRIMARY KEY, calls INTEGER NOT NULL, tokens INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- Proposals, decisions, executions -----------------------------------------------------------------------------------

CREATE TABLE proposals (
  id TEXT PRIMARY KEY,
  code TEXT NOT NULL UNIQUE,
  op TEXT NOT NULL UNIQUE,
  incident_id TEXT REFERENCES incidents (id),
  card_id TEXT,
  state TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'denied', 'expired', 'stale', 'refused', 'withdrawn', 'executing',
    'verifying', 'failed', 'unknown', 'cancelled', 'succeeded', 'unverified', 'needs_human', 'undone')),
  action TEXT NOT NULL,
  kind TEXT NOT NULL,
  namespace TEXT,
  target TEXT NOT NULL,
  owner_key TEXT NOT NULL,
  target_uid TEXT NOT NULL,
  summary TEXT NOT NULL,
  kubectl TEXT NOT NULL,
  diff TEXT NOT NULL,
  risk TEXT NOT NULL,
  warnings TEXT NOT NULL,
  gate TEXT NOT NULL,
  reason TEXT,
  request TEXT,
  digest TEXT NOT NULL,
  inverse TEXT,
  origin TEXT NOT NULL CHECK (origin IN ('person', 'autofix')),
  requested_by TEXT NOT NULL,
  requested_via TEXT NOT NULL,
  rule TEXT,
  derived INTEGER NOT NULL,
  requirement TEXT NOT NULL,
  undo_of TEXT REFERENCES proposals (id),
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  expires_at TEXT NOT NULL
) STRICT;
CREATE INDEX proposals_incident ON proposals (incident_id);
CREATE INDEX proposals_history ON proposals (owner_key, kind, updated_at);
CREATE INDEX proposals_undo ON proposals (undo_of) WHERE undo_of IS NOT NULL;
CREATE INDEX proposals_created ON proposals (created_at, id);
CREATE INDEX proposals_live ON proposals (state, expires_at) WHERE state IN ('pending', 'approved', 'executing', 'verifying', 'unknown');
-- One approved or running action per top owner.
CREATE UNIQUE INDEX proposals_holding ON proposals (owner_key) WHERE state IN ('approved', 'executing', 'verifying', 'unknown');

CREATE TABLE decisions (
  proposal_id TEXT NOT NULL REFERENCES proposals (id) ON DELETE CASCADE,
  user_id TEXT NOT NULL,
  username TEXT NOT NULL,
  verdict TEXT NOT NULL CHECK (verdict IN ('approve', 'deny')),
  reason TEXT,
  platform TEXT NOT NULL,
  at TEXT NOT NULL,
  voided_at TEXT,
  PRIMARY KEY (proposal_id, user_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE executions (
  op TEXT PRIMARY KEY,
  proposal_id TEXT NOT NULL UNIQUE REFERENCES proposals (id),
  state TEXT NOT NULL CHECK (state IN ('intent', 'sent', 'done', 'failed', 'unknown', 'cancelled')),
  owner_key TEXT NOT NULL,
  origin TEXT NOT NULL CHECK (origin IN ('person', 'autofix')),
  request TEXT NOT NULL,
  digest TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  started_at TEXT NOT NULL,
  sent_at TEXT,
  finished_at TEXT,
  outcome TEXT,
  message TEXT
) STRICT;
CREATE INDEX executions_owner ON executions (owner_key, started_at);
CREATE INDEX executions_automatic ON executions (started_at) WHERE origin = 'autofix';
CREATE INDEX executions_open ON executions (state) WHERE state IN ('intent', 'sent', 'unknown');

CREATE TABLE verifications (
  proposal_id TEXT PRIMARY KEY REFERENCES proposals (id),
  verdict TEXT CHECK (verdict IN ('succeeded', 'failed', 'unverified')),
  checks TEXT NOT NULL,
  progress INTEGER NOT NULL,
  log_tail TEXT NOT NULL,
  baseline TEXT NOT NULL,
  started_at TEXT NOT NULL,
  deadline_at TEXT NOT NULL,
  finished_at TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE pauses (
  id TEXT PRIMARY KEY,
  namespace TEXT,
  autofix_only INTEGER NOT NULL,
  reason TEXT NOT NULL,
  paused_by TEXT NOT NULL,
  started_at TEXT NOT NULL,
  until TEXT,
  ended_at TEXT,
  ended_by TEXT
) STRICT;
CREATE INDEX pauses_open ON pauses (started_at) WHERE ended_at IS NULL;

-- A rule that lost its right to act on a target after a failed automatic run, until resumed.
CREATE TABLE downgrades (
  rule TEXT NOT NULL,
  owner_key TEXT NOT NULL,
  proposal_id TEXT NOT NULL,
  at TEXT NOT NULL,
  ended_at TEXT,
  PRIMARY KEY (rule, owner_key, at)
) STRICT, WITHOUT ROWID;

-- Cards and channels -------------------------------------------------------------------------------------------------

CREATE TABLE cards (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  incident_id TEXT REFERENCES incidents (id) ON DELETE CASCADE,
  proposal_id TEXT REFERENCES proposals (id),
  version INTEGER NOT NULL,
  seq INTEGER NOT NULL UNIQUE,
  state TEXT NOT NULL,
  urgent INTEGER NOT NULL,
  body TEXT NOT NULL,
  translations TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
) STRICT;
CREATE INDEX cards_incident ON cards (incident_id);
CREATE INDEX cards_proposal ON cards (proposal_id);

-- An opaque button id and what it does; a forwarded or invented id does nothing.
CREATE TABLE buttons (
  id TEXT PRIMARY KEY,
  card_id TEXT NOT NULL REFERENCES cards (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
  action TEXT NOT NULL,
  incident_id TEXT,
  proposal_id TEXT,
  created_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX buttons_card ON buttons (card_id, action, coalesce(proposal_id, ''));

CREATE TABLE card_messages (
  card_id TEXT NOT NULL REFERENCES cards (id) ON DELETE CASCADE,
  channel TEXT NOT NULL,
  chat TEXT NOT NULL,
  message TEXT NOT NULL,
  version INTEGER NOT NULL,
  sent_at TEXT NOT NULL,
  PRIMARY KEY (card_id, channel, chat)
) STRICT, WITHOUT ROWID;
CREATE INDEX card_messages_message ON card_messages (channel, chat, message);
CREATE INDEX card_messages_sent ON card_messages (channel, chat, sent_at);

-- Cards that found no room among those of the hour, each a line of a digest card.
CREATE TABLE digest_entries (
  card_id TEXT NOT NULL REFERENCES cards (id) ON DELETE CASCADE,
  channel TEXT NOT NULL,
  chat TEXT NOT NULL,
  digest_id TEXT NOT NULL,
  severity TEXT NOT NULL,
  waiting INTEGER NOT NULL,
  line TEXT NOT NULL,
  changed_at TEXT NOT NULL,
  UNIQUE (card_id, channel, chat)
) STRICT;
CREATE INDEX digest_entries_digest ON digest_entries (digest_id);
CREATE INDEX digest_entries_place ON digest_entries (channel, chat);

-- Delivered cards leave; lines and replies stay, so that each goes out once.
CREATE TABLE outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  channel TEXT NOT NULL,
  chat TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('card', 'reply', 'tell', 'line')),
  card_id TEXT REFERENCES cards (id) ON DELETE CASCADE,
  body TEXT NOT NULL,
  dedupe TEXT,
  urgent INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('queued', 'sent', 'dead')),
  tries INTEGER NOT NULL DEFAULT 0,
  error TEXT,
  epoch INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  due_at TEXT NOT NULL,
  sent_at TEXT
) STRICT;
CREATE INDEX outbox_queued ON outbox (channel, due_at) WHERE state = 'queued';
CREATE INDEX outbox_turn ON outbox (channel, urgent DESC, id) WHERE state = 'queued';
CREATE INDEX outbox_order ON outbox (channel, chat, card_id, id) WHERE state = 'queued';
CREATE UNIQUE INDEX outbox_once ON outbox (channel, chat, dedupe) WHERE kind <> 'card';
-- A newer state of a card takes the place of one not yet delivered.
CREATE UNIQUE INDEX outbox_card ON outbox (channel, chat, card_id) WHERE kind = 'card' AND state = 'queued';

CREATE TABLE seen_events (channel TEXT NOT NULL, event TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (channel, event)) STRICT, WITHOUT ROWID;
CREATE INDEX seen_events_at ON seen_events (at);
CREATE TABLE channel_usage (channel TEXT NOT NULL, month TEXT NOT NULL, calls INTEGER NOT NULL, PRIMARY KEY (channel, month)) STRICT, WITHOUT ROWID;

-- Identity -----------------------------------------------------------------------------------------------------------

CREATE TABLE users (
  id TEXT PRIMARY KEY,
  username TEXT NOT NULL,
  password_hash TEXT,
  role TEXT NOT NULL DEFAULT 'viewer' CHECK (role IN ('viewer', 'approver', 'admin')),
  created_at TEXT NOT NULL,
  removed_at TEXT
) STRICT;
CREATE UNIQUE INDEX users_username ON users (username) WHERE removed_at IS NULL;

CREATE TABLE identities (
  channel TEXT NOT NULL,
  external_id TEXT NOT NULL,
  user_id TEXT REFERENCES users (id),
  display TEXT,
  seen_at TEXT NOT NULL,
  linked_at TEXT,
  PRIMARY KEY (channel, external_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX identities_user ON identities (user_id);

CREATE TABLE link_codes (code_hash TEXT PRIMARY KEY, user_id TEXT NOT NULL REFERENCES users (id), expires_at TEXT NOT NULL, used_at TEXT) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users (id),
  created_at TEXT NOT NULL,
  expires_at TEXT NOT NULL,
  revoked_at TEXT,
  client_ip TEXT,
  platform TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_user ON sessions (user_id);

CREATE TABLE login_failures (username TEXT NOT NULL, address TEXT NOT NULL, at TEXT NOT NULL) STRICT;
CREATE INDEX login_failures_pair ON login_failures (username, address, at);
CREATE INDEX login_failures_at ON login_failures (at);

-- Policy and audit ---------------------------------------------------------------------------------------------------

CREATE TABLE policies (hash TEXT PRIMARY KEY, rules TEXT NOT NULL, loaded_at TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE audit_logs (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  user_id TEXT,
  intent TEXT,
  action_type TEXT NOT NULL,
  target_resource TEXT,
  command_snapshot TEXT,
  status TEXT NOT NULL CHECK (status IN ('SUCCESS', 'FAILED', 'PENDING')),
  client_ip TEXT,
  platform TEXT NOT NULL CHECK (platform IN ('dingtalk', 'feishu', 'slack', 'terminal', 'api', 'system')),
  timestamp TEXT NOT NULL,
  incident_id TEXT,
  proposal_id TEXT,
  detail TEXT,
  prev_hash TEXT NOT NULL,
  hash TEXT NOT NULL UNIQUE
) STRICT;
CREATE INDEX audit_user ON audit_logs (user_id, seq);
CREATE INDEX audit_action ON audit_logs (action_type, seq);
CREATE INDEX audit_target ON audit_logs (target_resource, seq);
-- The same object without its namespace, as people name it: deployment/checkout.
CREATE INDEX audit_object ON audit_logs (substr(target_resource, instr(target_resource, '/') + 1), seq);
CREATE INDEX audit_platform ON audit_logs (platform, seq);
CREATE INDEX audit_status ON audit_logs (status, seq);
CREATE INDEX audit_incident ON audit_logs (incident_id, seq) WHERE incident_id IS NOT NULL;
CREATE INDEX audit_proposal ON audit_logs (proposal_id, seq) WHERE proposal_id IS NOT NULL;
CREATE INDEX audit_time ON audit_logs (timestamp, seq);

CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit_logs BEGIN SELECT RAISE(ABORT, 'audit records are append-only'); END;
-- Retention prunes from the old end, up to a record that a checkpoint has sealed.
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit_logs
  WHEN old.seq > coalesce((SELECT max(seq) FROM checkpoints WHERE pruned = 1), 0)
  BEGIN SELECT RAISE(ABORT, 'audit records are append-only'); END;

-- Signed words on what the chain came to. `pruned`: everything up to here was removed by retention, and the chain now begins here.
CREATE TABLE checkpoints (
  pruned INTEGER NOT NULL CHECK (pruned IN (0, 1)),
  seq INTEGER NOT NULL,
  hash TEXT NOT NULL,
  at TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  public_key TEXT NOT NULL,
  signature TEXT NOT NULL,
  PRIMARY KEY (pruned, seq)
) STRICT, WITHOUT ROWID;
