-- +goose Up
-- Every table is keyed by tenant first. Ids are made by the database and never
-- used again. Times are microseconds since 1970 UTC, 0 for none. No foreign keys:
-- rooms clean up after each other in one unit of work, by key.

CREATE TABLE keelson_tenant (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  name       TEXT NOT NULL UNIQUE,
  no_team_version INTEGER NOT NULL DEFAULT 0
);

-- Sequences that are not a table's own key.
CREATE TABLE keelson_sequence (
  name  TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO keelson_sequence (name, value) VALUES ('generation', 0);

-- Who does what one instance does for all of them: see docs/operations.md.
CREATE TABLE keelson_lease (
  name    TEXT PRIMARY KEY,
  owner   TEXT NOT NULL,
  epoch   INTEGER NOT NULL, -- rises with each holder
  ends_at INTEGER NOT NULL  -- by the clock of the process
) WITHOUT ROWID;

-- lifecycle

CREATE TABLE keelson_host (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant      INTEGER NOT NULL,
  uid         TEXT NOT NULL,
  external_id TEXT,
  platform    TEXT NOT NULL,
  serial      TEXT NOT NULL,
  hardware_id TEXT NOT NULL,
  name        TEXT NOT NULL,
  model       TEXT NOT NULL,
  os_version  TEXT NOT NULL,
  team        INTEGER NOT NULL,
  state       TEXT NOT NULL,
  person      TEXT NOT NULL DEFAULT '',
  created_at  INTEGER NOT NULL
);
CREATE UNIQUE INDEX keelson_host_uid ON keelson_host (tenant, uid);
CREATE UNIQUE INDEX keelson_host_external ON keelson_host (tenant, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX keelson_host_hardware ON keelson_host (tenant, hardware_id);
CREATE INDEX keelson_host_serial ON keelson_host (tenant, serial);
CREATE INDEX keelson_host_team ON keelson_host (tenant, team, id);
CREATE INDEX keelson_host_tenant ON keelson_host (tenant, id);

-- Apart from the host, so that what every poll may write stays narrow.
CREATE TABLE keelson_seen (
  host   INTEGER PRIMARY KEY,
  tenant INTEGER NOT NULL,
  at     INTEGER NOT NULL
);

CREATE TABLE keelson_enrollment (
  id              INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant          INTEGER NOT NULL,
  uid             TEXT NOT NULL,
  natural_key     TEXT NOT NULL,
  protocol        TEXT NOT NULL,
  channel         TEXT NOT NULL,
  parent          INTEGER NOT NULL, -- the device channel of a user channel, 0 else
  host            INTEGER NOT NULL,
  host_uid        TEXT NOT NULL, -- of the host, so that a poll reads one row
  platform        TEXT NOT NULL, -- likewise
  generation      INTEGER NOT NULL,
  state           TEXT NOT NULL,
  pin             BLOB,
  next_uid        TEXT NOT NULL DEFAULT '',
  next_generation INTEGER NOT NULL DEFAULT 0,
  next_pin        BLOB,
  next_person     TEXT NOT NULL DEFAULT '',
  enrolled_at     INTEGER NOT NULL,
  ended_at        INTEGER NOT NULL
);
CREATE UNIQUE INDEX keelson_enrollment_natural ON keelson_enrollment (tenant, natural_key);
CREATE INDEX keelson_enrollment_host ON keelson_enrollment (tenant, host);

CREATE TABLE keelson_outbox (
  seq        INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant     INTEGER NOT NULL,
  uid        TEXT NOT NULL,
  kind       TEXT NOT NULL,
  at         INTEGER NOT NULL,
  enrollment INTEGER NOT NULL, -- 0: stands alone
  event      TEXT NOT NULL,    -- the envelope as JSON
  due        INTEGER NOT NULL,
  tries      INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX keelson_outbox_due ON keelson_outbox (tenant, due, seq);
CREATE INDEX keelson_outbox_tenant ON keelson_outbox (tenant, seq);
CREATE INDEX keelson_outbox_enrollment ON keelson_outbox (tenant, enrollment, seq);

-- identity

CREATE TABLE keelson_intent (
  tenant     INTEGER NOT NULL,
  uid        TEXT NOT NULL,
  kind       TEXT NOT NULL,
  way        TEXT NOT NULL,
  link       BLOB NOT NULL,
  challenge  BLOB NOT NULL,
  platform   TEXT NOT NULL,
  expects    TEXT NOT NULL, -- serials and hardware ids as JSON
  person     TEXT NOT NULL,
  team       INTEGER NOT NULL,
  quota      INTEGER NOT NULL,
  used       INTEGER NOT NULL,
  issued     INTEGER NOT NULL,
  enrollment TEXT NOT NULL,
  generation INTEGER NOT NULL,
  actor      TEXT NOT NULL, -- as JSON, empty for nobody
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  revoked    INTEGER NOT NULL,
  revoked_by TEXT NOT NULL, -- as actor
  PRIMARY KEY (tenant, uid)
) WITHOUT ROWID;
CREATE UNIQUE INDEX keelson_intent_link ON keelson_intent (tenant, link);
CREATE UNIQUE INDEX keelson_intent_challenge ON keelson_intent (tenant, challenge);

CREATE TABLE keelson_certificate (
  tenant      INTEGER NOT NULL,
  intent      TEXT NOT NULL,
  public_key  BLOB NOT NULL,
  kind        TEXT NOT NULL,
  enrollment  TEXT NOT NULL,
  generation  INTEGER NOT NULL,
  sha         BLOB,
  der         BLOB,
  not_after   INTEGER NOT NULL,
  natural_key TEXT NOT NULL,
  state       TEXT NOT NULL,
  team        INTEGER NOT NULL,
  person      TEXT NOT NULL,
  created_at  INTEGER NOT NULL,
  PRIMARY KEY (tenant, intent, public_key)
);
CREATE UNIQUE INDEX keelson_certificate_sha ON keelson_certificate (tenant, sha) WHERE sha IS NOT NULL;
CREATE INDEX keelson_certificate_natural ON keelson_certificate (tenant, natural_key) WHERE natural_key <> '';
CREATE INDEX keelson_certificate_state ON keelson_certificate (tenant, state, not_after);

-- queue

CREATE TABLE keelson_content (
  id     INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant INTEGER NOT NULL,
  sha    BLOB NOT NULL,
  sealed BLOB NOT NULL,
  used_at INTEGER NOT NULL -- raised at most hourly
);
CREATE UNIQUE INDEX keelson_content_sha ON keelson_content (tenant, sha);
CREATE INDEX keelson_content_used ON keelson_content (tenant, used_at);

-- Waiting entries only; what has ended moves to keelson_done.
CREATE TABLE keelson_queue (
  seq        INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant     INTEGER NOT NULL,
  enrollment INTEGER NOT NULL,
  lane       INTEGER NOT NULL,
  uid        TEXT NOT NULL,
  generation INTEGER NOT NULL,
  owner      TEXT NOT NULL,
  ref_key    INTEGER NOT NULL,
  ref_order  INTEGER NOT NULL,
  kind       TEXT NOT NULL,
  content    INTEGER NOT NULL,
  not_before INTEGER NOT NULL,
  expires    INTEGER NOT NULL,
  resource   TEXT NOT NULL,
  supersede  TEXT NOT NULL,
  idempotency TEXT,
  redelivery TEXT NOT NULL,
  actor      TEXT NOT NULL, -- as JSON, empty for engines
  queued_at  INTEGER NOT NULL,
  sent_at    INTEGER NOT NULL DEFAULT 0,
  sent       INTEGER NOT NULL DEFAULT 0,
  held_at    INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX keelson_queue_uid ON keelson_queue (tenant, uid);
CREATE INDEX keelson_queue_next ON keelson_queue (tenant, enrollment, lane, seq);
CREATE UNIQUE INDEX keelson_queue_idempotency ON keelson_queue (tenant, enrollment, idempotency) WHERE idempotency IS NOT NULL;
CREATE INDEX keelson_queue_expires ON keelson_queue (tenant, expires) WHERE expires > 0;

CREATE TABLE keelson_done (
  seq        INTEGER PRIMARY KEY, -- the sequence that it had in the queue
  tenant     INTEGER NOT NULL,
  enrollment INTEGER NOT NULL,
  lane       INTEGER NOT NULL,
  uid        TEXT NOT NULL,
  generation INTEGER NOT NULL,
  owner      TEXT NOT NULL,
  ref_key    INTEGER NOT NULL,
  ref_order  INTEGER NOT NULL,
  kind       TEXT NOT NULL,
  content    INTEGER NOT NULL,
  not_before INTEGER NOT NULL,
  expires    INTEGER NOT NULL,
  resource   TEXT NOT NULL,
  supersede  TEXT NOT NULL,
  idempotency TEXT,
  redelivery TEXT NOT NULL,
  actor      TEXT NOT NULL,
  queued_at  INTEGER NOT NULL,
  sent_at    INTEGER NOT NULL,
  sent       INTEGER NOT NULL,
  held_at    INTEGER NOT NULL,
  outcome    TEXT NOT NULL,
  code       TEXT NOT NULL,
  detail     TEXT NOT NULL,
  body       BLOB, -- sealed
  ended_at   INTEGER NOT NULL,
  late_outcome TEXT NOT NULL DEFAULT '', -- an answer that came after the entry had ended without it
  late_code    TEXT NOT NULL DEFAULT '',
  late_detail  TEXT NOT NULL DEFAULT '',
  late_at      INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX keelson_done_uid ON keelson_done (tenant, uid);
CREATE INDEX keelson_done_enrollment ON keelson_done (tenant, enrollment, seq);
CREATE INDEX keelson_done_ended ON keelson_done (tenant, ended_at);
CREATE INDEX keelson_done_content ON keelson_done (tenant, content);
CREATE UNIQUE INDEX keelson_done_idempotency ON keelson_done (tenant, enrollment, idempotency) WHERE idempotency IS NOT NULL;

-- profiles

CREATE TABLE keelson_team (
  id      INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant  INTEGER NOT NULL,
  uid     TEXT NOT NULL,
  name    TEXT NOT NULL,
  folded  TEXT NOT NULL, -- the name without case
  version INTEGER NOT NULL
);
CREATE UNIQUE INDEX keelson_team_name ON keelson_team (tenant, folded);

CREATE TABLE keelson_label (
  id            INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant        INTEGER NOT NULL,
  uid           TEXT NOT NULL,
  name          TEXT NOT NULL,
  folded        TEXT NOT NULL,
  default_value INTEGER NOT NULL
);
CREATE UNIQUE INDEX keelson_label_name ON keelson_label (tenant, folded);

CREATE TABLE keelson_member (
  tenant INTEGER NOT NULL,
  host   INTEGER NOT NULL,
  label  INTEGER NOT NULL,
  value  INTEGER NOT NULL, -- 0 no, 1 yes, 2 unknown
  PRIMARY KEY (tenant, host, label)
) WITHOUT ROWID;
CREATE INDEX keelson_member_label ON keelson_member (tenant, label, host);

CREATE TABLE keelson_slot (
  id     INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant INTEGER NOT NULL,
  name   TEXT NOT NULL
);
CREATE UNIQUE INDEX keelson_slot_name ON keelson_slot (tenant, name);

CREATE TABLE keelson_profile (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant     INTEGER NOT NULL,
  uid        TEXT NOT NULL,
  team       INTEGER NOT NULL,
  family     TEXT NOT NULL,
  slot       INTEGER NOT NULL,
  name       TEXT NOT NULL,
  folded     TEXT NOT NULL,
  scope      TEXT NOT NULL, -- as JSON
  revision   INTEGER NOT NULL, -- counts contents
  edit       INTEGER NOT NULL, -- counts changes of any kind
  content    BLOB NOT NULL, -- SHA-256
  size       INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  actor      TEXT NOT NULL  -- as JSON, empty for nobody
);
CREATE UNIQUE INDEX keelson_profile_uid ON keelson_profile (tenant, uid);
CREATE UNIQUE INDEX keelson_profile_slot ON keelson_profile (tenant, team, slot);
CREATE UNIQUE INDEX keelson_profile_name ON keelson_profile (tenant, team, folded);

-- A host's plan: what planning a host holds, apart from the host, which its
-- check-ins hold.
CREATE TABLE keelson_plan (
  tenant   INTEGER NOT NULL,
  host     INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  PRIMARY KEY (tenant, host)
) WITHOUT ROWID;

CREATE TABLE keelson_row (
  tenant      INTEGER NOT NULL,
  enrollment  INTEGER NOT NULL,
  slot        INTEGER NOT NULL,
  family      TEXT NOT NULL,
  op          TEXT NOT NULL,
  profile     INTEGER NOT NULL,
  revision    INTEGER NOT NULL,
  content     BLOB NOT NULL,
  ordered     INTEGER NOT NULL,
  since       INTEGER NOT NULL,
  command     TEXT NOT NULL,
  traces      BLOB NOT NULL, -- (order as 8 bytes, SHA-256) each
  blurred     INTEGER NOT NULL,
  overridden  TEXT NOT NULL, -- by which profile, for people
  ack         INTEGER NOT NULL DEFAULT 0,
  ack_outcome TEXT NOT NULL DEFAULT '',
  ack_code    TEXT NOT NULL DEFAULT '',
  ack_detail  TEXT NOT NULL DEFAULT '',
  ack_at      INTEGER NOT NULL DEFAULT 0,
  asked       INTEGER NOT NULL,
  asked_seq   INTEGER NOT NULL,
  seen        INTEGER NOT NULL DEFAULT 0,
  evidence    INTEGER NOT NULL DEFAULT 0,
  seen_at     INTEGER NOT NULL DEFAULT 0,
  missing     TEXT NOT NULL DEFAULT '',
  tries       INTEGER NOT NULL,
  misses      INTEGER NOT NULL,
  retry_at    INTEGER NOT NULL,
  PRIMARY KEY (tenant, enrollment, slot)
) WITHOUT ROWID;

-- Work tables, empty while nothing changes.
CREATE TABLE keelson_dirty (
  id     INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant INTEGER NOT NULL,
  host   INTEGER NOT NULL,
  lane   INTEGER NOT NULL
);
CREATE INDEX keelson_dirty_lane ON keelson_dirty (tenant, lane, id);
CREATE INDEX keelson_dirty_host ON keelson_dirty (tenant, host);
CREATE TABLE keelson_walk (
  id      INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant  INTEGER NOT NULL,
  team    INTEGER NOT NULL,
  visited INTEGER NOT NULL -- the host up to which the walk has come
);
CREATE INDEX keelson_walk_tenant ON keelson_walk (tenant, id);
CREATE TABLE keelson_due (
  tenant INTEGER NOT NULL,
  host   INTEGER NOT NULL,
  at     INTEGER NOT NULL,
  PRIMARY KEY (tenant, host)
) WITHOUT ROWID;
CREATE INDEX keelson_due_at ON keelson_due (tenant, at);

-- apple

CREATE TABLE keelson_apple_push (
  tenant     INTEGER NOT NULL,
  enrollment INTEGER NOT NULL,
  topic      TEXT NOT NULL,
  token      BLOB NOT NULL, -- sealed
  magic      BLOB NOT NULL, -- sealed
  at         INTEGER NOT NULL,
  PRIMARY KEY (tenant, enrollment)
) WITHOUT ROWID;
CREATE TABLE keelson_apple_token (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant     INTEGER NOT NULL,
  enrollment INTEGER NOT NULL,
  kind       TEXT NOT NULL,
  generation INTEGER NOT NULL,
  sealed     BLOB NOT NULL,
  at         INTEGER NOT NULL,
  cleared    INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX keelson_apple_token_enrollment ON keelson_apple_token (tenant, enrollment, kind, id);
CREATE TABLE keelson_apple_aside (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant     INTEGER NOT NULL,
  enrollment INTEGER NOT NULL,
  why        TEXT NOT NULL,
  sealed     BLOB NOT NULL,
  at         INTEGER NOT NULL
);
CREATE INDEX keelson_apple_aside_enrollment ON keelson_apple_aside (tenant, enrollment, id);

-- what NanoMDM keeps and the other rooms do not

CREATE TABLE keelson_nano_channel (
  tenant     INTEGER NOT NULL,
  enrollment INTEGER NOT NULL,
  type       INTEGER NOT NULL, -- NanoMDM's enrollment type
  tally      INTEGER NOT NULL, -- token updates since the last authentication
  PRIMARY KEY (tenant, enrollment)
) WITHOUT ROWID;
CREATE TABLE keelson_nano_message (
  tenant     INTEGER NOT NULL,
  enrollment INTEGER NOT NULL,
  kind       TEXT NOT NULL,
  sealed     BLOB NOT NULL, -- as it came
  at         INTEGER NOT NULL,
  PRIMARY KEY (tenant, enrollment, kind)
) WITHOUT ROWID;
-- The newest row of a channel, and of a hash, is the one that holds. A channel
-- need not be there.
CREATE TABLE keelson_nano_certificate (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant      INTEGER NOT NULL,
  natural_key TEXT NOT NULL,
  hash        TEXT NOT NULL, -- as NanoMDM writes it
  at          INTEGER NOT NULL
);
CREATE INDEX keelson_nano_certificate_natural ON keelson_nano_certificate (tenant, natural_key, id);
CREATE INDEX keelson_nano_certificate_hash ON keelson_nano_certificate (tenant, hash, id);
CREATE TABLE keelson_nano_push_certificate (
  tenant      INTEGER NOT NULL,
  topic       TEXT NOT NULL,
  certificate BLOB NOT NULL, -- PEM
  private_key BLOB NOT NULL, -- PEM, sealed
  version     TEXT NOT NULL, -- another one each time
  at          INTEGER NOT NULL,
  PRIMARY KEY (tenant, topic)
) WITHOUT ROWID;

-- windows

CREATE TABLE keelson_windows_device (
  tenant     INTEGER NOT NULL,
  enrollment INTEGER NOT NULL,
  device_id  TEXT NOT NULL,
  hw_dev_id  TEXT NOT NULL,
  person     TEXT NOT NULL,
  os_version TEXT NOT NULL,
  at         INTEGER NOT NULL,
  PRIMARY KEY (tenant, enrollment)
) WITHOUT ROWID;
CREATE TABLE keelson_windows_session (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant     INTEGER NOT NULL,
  enrollment INTEGER NOT NULL,
  session    TEXT NOT NULL,
  msg        INTEGER NOT NULL,
  body       BLOB NOT NULL,
  reply      BLOB,
  state      BLOB,
  at         INTEGER NOT NULL
);
CREATE UNIQUE INDEX keelson_windows_session_id ON keelson_windows_session (tenant, enrollment, session);

-- +goose Down
SELECT 'this schema only goes forward';
