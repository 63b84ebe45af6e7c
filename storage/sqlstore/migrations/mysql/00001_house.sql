-- +goose Up
-- Every table is keyed by tenant first. Ids are made by the database and never
-- used again. Times are microseconds since 1970 UTC, 0 for none. No foreign keys:
-- rooms clean up after each other in one unit of work, by key. Names are bytes, so
-- that no collation and no padding makes two of them one. MySQL commits each of
-- these statements by itself: all of them may run again.

CREATE TABLE IF NOT EXISTS keelson_tenant (
  id         BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name       VARBINARY(64) NOT NULL UNIQUE,
  no_team_version BIGINT NOT NULL DEFAULT 0
) ENGINE = InnoDB;

-- Generations are drawn when a certificate is issued: rows come and go, and the
-- numbers only rise.
CREATE TABLE IF NOT EXISTS keelson_generation (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY
) ENGINE = InnoDB;

-- Who does what one instance does for all of them: see docs/operations.md.
CREATE TABLE IF NOT EXISTS keelson_lease (
  name    VARBINARY(64) NOT NULL PRIMARY KEY,
  owner   VARBINARY(64) NOT NULL,
  epoch   BIGINT NOT NULL,  -- rises with each holder
  ends_at BIGINT NOT NULL   -- by the database's clock
) ENGINE = InnoDB;

-- lifecycle

CREATE TABLE IF NOT EXISTS keelson_host (
  id          BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  tenant      BIGINT NOT NULL,
  uid         VARBINARY(64) NOT NULL,
  external_id VARBINARY(512),
  platform    VARBINARY(16) NOT NULL,
  serial      VARBINARY(512) NOT NULL,
  hardware_id VARBINARY(512) NOT NULL,
  name        VARBINARY(1024) NOT NULL,
  model       VARBINARY(512) NOT NULL,
  os_version  VARBINARY(255) NOT NULL,
  team        BIGINT NOT NULL,
  state       VARBINARY(16) NOT NULL,
  person      VARBINARY(512) NOT NULL DEFAULT '',
  created_at  BIGINT NOT NULL,
  UNIQUE KEY keelson_host_uid (tenant, uid),
  UNIQUE KEY keelson_host_external (tenant, external_id),
  KEY keelson_host_hardware (tenant, hardware_id),
  KEY keelson_host_serial (tenant, serial),
  KEY keelson_host_team (tenant, team, id),
  KEY keelson_host_tenant (tenant, id)
) ENGINE = InnoDB;

-- Apart from the host, so that what every poll may write stays narrow.
CREATE TABLE IF NOT EXISTS keelson_seen (
  host   BIGINT NOT NULL PRIMARY KEY,
  tenant BIGINT NOT NULL,
  at     BIGINT NOT NULL
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS keelson_enrollment (
  id              BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  tenant          BIGINT NOT NULL,
  uid             VARBINARY(64) NOT NULL,
  natural_key     VARBINARY(512) NOT NULL,
  protocol        VARBINARY(16) NOT NULL,
  channel         VARBINARY(16) NOT NULL,
  parent          BIGINT NOT NULL,  -- the device channel of a user channel, 0 else
  host            BIGINT NOT NULL,
  host_uid        VARBINARY(64) NOT NULL,  -- of the host, so that a poll reads one row
  platform        VARBINARY(16) NOT NULL,  -- likewise
  generation      BIGINT NOT NULL,
  state           VARBINARY(16) NOT NULL,
  pin             VARBINARY(32),
  next_uid        VARBINARY(64) NOT NULL DEFAULT '',
  next_generation BIGINT NOT NULL DEFAULT 0,
  next_pin        VARBINARY(32),
  next_person     VARBINARY(512) NOT NULL DEFAULT '',
  enrolled_at     BIGINT NOT NULL,
  ended_at        BIGINT NOT NULL,
  UNIQUE KEY keelson_enrollment_natural (tenant, natural_key),
  KEY keelson_enrollment_host (tenant, host)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS keelson_outbox (
  seq        BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  tenant     BIGINT NOT NULL,
  uid        VARBINARY(64) NOT NULL,
  kind       VARBINARY(128) NOT NULL,
  at         BIGINT NOT NULL,
  enrollment BIGINT NOT NULL,  -- 0: stands alone
  event      MEDIUMBLOB NOT NULL,  -- the envelope as JSON
  due        BIGINT NOT NULL,
  tries      BIGINT NOT NULL DEFAULT 0,
  KEY keelson_outbox_due (tenant, due, seq),
  KEY keelson_outbox_tenant (tenant, seq),
  KEY keelson_outbox_enrollment (tenant, enrollment, seq)
) ENGINE = InnoDB;

-- identity

CREATE TABLE IF NOT EXISTS keelson_intent (
  tenant     BIGINT NOT NULL,
  uid        VARBINARY(64) NOT NULL,
  kind       VARBINARY(128) NOT NULL,
  way        VARBINARY(32) NOT NULL,
  link       VARBINARY(32) NOT NULL,
  challenge  VARBINARY(32) NOT NULL,
  platform   VARBINARY(16) NOT NULL,
  expects    MEDIUMBLOB NOT NULL,  -- serials and hardware ids as JSON
  person     VARBINARY(512) NOT NULL,
  team       BIGINT NOT NULL,
  quota      BIGINT NOT NULL,
  used       BIGINT NOT NULL,
  issued     BIGINT NOT NULL,
  enrollment VARBINARY(64) NOT NULL,
  generation BIGINT NOT NULL,
  actor      BLOB NOT NULL,  -- as JSON
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  revoked    BOOLEAN NOT NULL,
  revoked_by BLOB NOT NULL,  -- as actor
  PRIMARY KEY (tenant, uid),
  UNIQUE KEY keelson_intent_link (tenant, link),
  UNIQUE KEY keelson_intent_challenge (tenant, challenge)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS keelson_certificate (
  tenant      BIGINT NOT NULL,
  intent      VARBINARY(64) NOT NULL,
  public_key  VARBINARY(32) NOT NULL,
  kind        VARBINARY(128) NOT NULL,
  enrollment  VARBINARY(64) NOT NULL,
  generation  BIGINT NOT NULL,
  sha         VARBINARY(32),
  der         BLOB,
  not_after   BIGINT NOT NULL,
  natural_key VARBINARY(512) NOT NULL,
  state       VARBINARY(16) NOT NULL,
  team        BIGINT NOT NULL,
  person      VARBINARY(512) NOT NULL,
  created_at  BIGINT NOT NULL,
  PRIMARY KEY (tenant, intent, public_key),
  UNIQUE KEY keelson_certificate_sha (tenant, sha),
  KEY keelson_certificate_natural (tenant, natural_key),
  KEY keelson_certificate_state (tenant, state, not_after)
) ENGINE = InnoDB;

-- queue

CREATE TABLE IF NOT EXISTS keelson_content (
  id     BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  tenant BIGINT NOT NULL,
  sha    VARBINARY(32) NOT NULL,
  sealed LONGBLOB NOT NULL,
  used_at BIGINT NOT NULL,  -- raised at most hourly
  UNIQUE KEY keelson_content_sha (tenant, sha),
  KEY keelson_content_used (tenant, used_at)
) ENGINE = InnoDB;

-- Waiting entries only; what has ended moves to keelson_done.
CREATE TABLE IF NOT EXISTS keelson_queue (
  seq        BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  tenant     BIGINT NOT NULL,
  enrollment BIGINT NOT NULL,
  lane       BIGINT NOT NULL,
  uid        VARBINARY(64) NOT NULL,
  generation BIGINT NOT NULL,
  owner      VARBINARY(64) NOT NULL,
  ref_key    BIGINT NOT NULL,
  ref_order  BIGINT NOT NULL,
  kind       VARBINARY(128) NOT NULL,
  content    BIGINT NOT NULL,
  not_before BIGINT NOT NULL,
  expires    BIGINT NOT NULL,
  resource   VARBINARY(1024) NOT NULL,
  supersede  VARBINARY(1024) NOT NULL,
  idempotency VARBINARY(512),
  redelivery VARBINARY(16) NOT NULL,
  actor      BLOB NOT NULL,  -- as JSON, empty for engines
  queued_at  BIGINT NOT NULL,
  sent_at    BIGINT NOT NULL DEFAULT 0,
  sent       BIGINT NOT NULL DEFAULT 0,
  held_at    BIGINT NOT NULL DEFAULT 0,
  UNIQUE KEY keelson_queue_uid (tenant, uid),
  KEY keelson_queue_next (tenant, enrollment, lane, seq),
  UNIQUE KEY keelson_queue_idempotency (tenant, enrollment, idempotency),
  KEY keelson_queue_expires (tenant, expires)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS keelson_done (
  seq        BIGINT NOT NULL PRIMARY KEY,  -- the sequence that it had in the queue
  tenant     BIGINT NOT NULL,
  enrollment BIGINT NOT NULL,
  lane       BIGINT NOT NULL,
  uid        VARBINARY(64) NOT NULL,
  generation BIGINT NOT NULL,
  owner      VARBINARY(64) NOT NULL,
  ref_key    BIGINT NOT NULL,
  ref_order  BIGINT NOT NULL,
  kind       VARBINARY(128) NOT NULL,
  content    BIGINT NOT NULL,
  not_before BIGINT NOT NULL,
  expires    BIGINT NOT NULL,
  resource   VARBINARY(1024) NOT NULL,
  supersede  VARBINARY(1024) NOT NULL,
  idempotency VARBINARY(512),
  redelivery VARBINARY(16) NOT NULL,
  actor      BLOB NOT NULL,  -- as JSON, empty for engines
  queued_at  BIGINT NOT NULL,
  sent_at    BIGINT NOT NULL,
  sent       BIGINT NOT NULL,
  held_at    BIGINT NOT NULL,
  outcome    VARBINARY(16) NOT NULL,
  code       VARBINARY(255) NOT NULL,
  detail     VARBINARY(2048) NOT NULL,
  body       LONGBLOB,  -- sealed
  ended_at   BIGINT NOT NULL,
  late_outcome VARBINARY(16) NOT NULL DEFAULT '',  -- an answer that came after the entry had ended without it
  late_code    VARBINARY(255) NOT NULL DEFAULT '',
  late_detail  VARBINARY(2048) NOT NULL DEFAULT '',
  late_at      BIGINT NOT NULL DEFAULT 0,
  UNIQUE KEY keelson_done_uid (tenant, uid),
  KEY keelson_done_enrollment (tenant, enrollment, seq),
  KEY keelson_done_ended (tenant, ended_at),
  KEY keelson_done_content (tenant, content),
  UNIQUE KEY keelson_done_idempotency (tenant, enrollment, idempotency)
) ENGINE = InnoDB;

-- profiles

CREATE TABLE IF NOT EXISTS keelson_team (
  id      BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  tenant  BIGINT NOT NULL,
  uid     VARBINARY(64) NOT NULL,
  name    VARBINARY(1024) NOT NULL,
  folded  VARBINARY(1024) NOT NULL,  -- the name without case
  version BIGINT NOT NULL,
  UNIQUE KEY keelson_team_name (tenant, folded)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS keelson_label (
  id            BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  tenant        BIGINT NOT NULL,
  uid           VARBINARY(64) NOT NULL,
  name          VARBINARY(1024) NOT NULL,
  folded        VARBINARY(1024) NOT NULL,
  default_value BIGINT NOT NULL,
  UNIQUE KEY keelson_label_name (tenant, folded)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS keelson_member (
  tenant BIGINT NOT NULL,
  host   BIGINT NOT NULL,
  label  BIGINT NOT NULL,
  value  BIGINT NOT NULL,  -- 0 no, 1 yes, 2 unknown
  PRIMARY KEY (tenant, host, label),
  KEY keelson_member_label (tenant, label, host)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS keelson_slot (
  id     BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  tenant BIGINT NOT NULL,
  name   VARBINARY(1024) NOT NULL,
  UNIQUE KEY keelson_slot_name (tenant, name)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS keelson_profile (
  id         BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  tenant     BIGINT NOT NULL,
  uid        VARBINARY(64) NOT NULL,
  team       BIGINT NOT NULL,
  family     VARBINARY(32) NOT NULL,
  slot       BIGINT NOT NULL,
  name       VARBINARY(1024) NOT NULL,
  folded     VARBINARY(1024) NOT NULL,
  scope      MEDIUMBLOB NOT NULL,  -- as JSON
  revision   BIGINT NOT NULL,  -- counts contents
  edit       BIGINT NOT NULL,  -- counts changes of any kind
  content    VARBINARY(32) NOT NULL,  -- SHA-256
  size       BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  actor      BLOB NOT NULL,  -- as JSON
  UNIQUE KEY keelson_profile_uid (tenant, uid),
  UNIQUE KEY keelson_profile_slot (tenant, team, slot),
  UNIQUE KEY keelson_profile_name (tenant, team, folded)
) ENGINE = InnoDB;

-- A host's plan: what planning a host holds, apart from the host, which its
-- check-ins hold.
CREATE TABLE IF NOT EXISTS keelson_plan (
  tenant   BIGINT NOT NULL,
  host     BIGINT NOT NULL,
  revision BIGINT NOT NULL,
  PRIMARY KEY (tenant, host)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS keelson_row (
  tenant      BIGINT NOT NULL,
  enrollment  BIGINT NOT NULL,
  slot        BIGINT NOT NULL,
  family      VARBINARY(32) NOT NULL,
  op          VARBINARY(16) NOT NULL,
  profile     BIGINT NOT NULL,
  revision    BIGINT NOT NULL,
  content     VARBINARY(32) NOT NULL,
  ordered     BIGINT NOT NULL,
  since       BIGINT NOT NULL,
  command     VARBINARY(64) NOT NULL,
  traces      MEDIUMBLOB NOT NULL,  -- (order as 8 bytes, SHA-256) each
  blurred     BOOLEAN NOT NULL,
  overridden  VARBINARY(1024) NOT NULL, -- by which profile, for people
  ack         BIGINT NOT NULL DEFAULT 0,
  ack_outcome VARBINARY(16) NOT NULL DEFAULT '',
  ack_code    VARBINARY(255) NOT NULL DEFAULT '',
  ack_detail  VARBINARY(2048) NOT NULL DEFAULT '',
  ack_at      BIGINT NOT NULL DEFAULT 0,
  asked       BIGINT NOT NULL,
  asked_seq   BIGINT NOT NULL,
  seen        BIGINT NOT NULL DEFAULT 0,
  evidence    BIGINT NOT NULL DEFAULT 0,
  seen_at     BIGINT NOT NULL DEFAULT 0,
  missing     VARBINARY(1024) NOT NULL DEFAULT '',
  tries       BIGINT NOT NULL,
  misses      BIGINT NOT NULL,
  retry_at    BIGINT NOT NULL,
  PRIMARY KEY (tenant, enrollment, slot)
) ENGINE = InnoDB;

-- Work tables, empty while nothing changes.
CREATE TABLE IF NOT EXISTS keelson_dirty (
  id     BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  tenant BIGINT NOT NULL,
  host   BIGINT NOT NULL,
  lane   BIGINT NOT NULL,
  KEY keelson_dirty_lane (tenant, lane, id),
  KEY keelson_dirty_host (tenant, host)
) ENGINE = InnoDB;
CREATE TABLE IF NOT EXISTS keelson_walk (
  id      BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  tenant  BIGINT NOT NULL,
  team    BIGINT NOT NULL,
  visited BIGINT NOT NULL,  -- the host up to which the walk has come
  KEY keelson_walk_tenant (tenant, id)
) ENGINE = InnoDB;
CREATE TABLE IF NOT EXISTS keelson_due (
  tenant BIGINT NOT NULL,
  host   BIGINT NOT NULL,
  at     BIGINT NOT NULL,
  PRIMARY KEY (tenant, host),
  KEY keelson_due_at (tenant, at)
) ENGINE = InnoDB;

-- apple

CREATE TABLE IF NOT EXISTS keelson_apple_push (
  tenant     BIGINT NOT NULL,
  enrollment BIGINT NOT NULL,
  topic      VARBINARY(255) NOT NULL,
  token      BLOB NOT NULL,  -- sealed
  magic      BLOB NOT NULL,  -- sealed
  at         BIGINT NOT NULL,
  PRIMARY KEY (tenant, enrollment)
) ENGINE = InnoDB;
CREATE TABLE IF NOT EXISTS keelson_apple_token (
  id         BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  tenant     BIGINT NOT NULL,
  enrollment BIGINT NOT NULL,
  kind       VARBINARY(128) NOT NULL,
  generation BIGINT NOT NULL,
  sealed     LONGBLOB NOT NULL,
  at         BIGINT NOT NULL,
  cleared    BOOLEAN NOT NULL DEFAULT FALSE,
  KEY keelson_apple_token_enrollment (tenant, enrollment, kind, id)
) ENGINE = InnoDB;
CREATE TABLE IF NOT EXISTS keelson_apple_aside (
  id         BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  tenant     BIGINT NOT NULL,
  enrollment BIGINT NOT NULL,
  why        VARBINARY(1024) NOT NULL,
  sealed     LONGBLOB NOT NULL,
  at         BIGINT NOT NULL,
  KEY keelson_apple_aside_enrollment (tenant, enrollment, id)
) ENGINE = InnoDB;

-- what NanoMDM keeps and the other rooms do not

CREATE TABLE IF NOT EXISTS keelson_nano_channel (
  tenant     BIGINT NOT NULL,
  enrollment BIGINT NOT NULL,
  type       BIGINT NOT NULL, -- NanoMDM's enrollment type
  tally      BIGINT NOT NULL, -- token updates since the last authentication
  PRIMARY KEY (tenant, enrollment)
) ENGINE = InnoDB;
CREATE TABLE IF NOT EXISTS keelson_nano_message (
  tenant     BIGINT NOT NULL,
  enrollment BIGINT NOT NULL,
  kind       VARBINARY(128) NOT NULL,
  sealed     LONGBLOB NOT NULL, -- as it came
  at         BIGINT NOT NULL,
  PRIMARY KEY (tenant, enrollment, kind)
) ENGINE = InnoDB;
-- The newest row of a channel, and of a hash, is the one that holds. A channel
-- need not be there.
CREATE TABLE IF NOT EXISTS keelson_nano_certificate (
  id          BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  tenant      BIGINT NOT NULL,
  natural_key VARBINARY(512) NOT NULL,
  hash        VARBINARY(255) NOT NULL, -- as NanoMDM writes it
  at          BIGINT NOT NULL,
  KEY keelson_nano_certificate_natural (tenant, natural_key, id),
  KEY keelson_nano_certificate_hash (tenant, hash, id)
) ENGINE = InnoDB;
CREATE TABLE IF NOT EXISTS keelson_nano_push_certificate (
  tenant      BIGINT NOT NULL,
  topic       VARBINARY(255) NOT NULL,
  certificate LONGBLOB NOT NULL, -- PEM
  private_key LONGBLOB NOT NULL, -- PEM, sealed
  version     VARBINARY(128) NOT NULL, -- another one each time
  at          BIGINT NOT NULL,
  PRIMARY KEY (tenant, topic)
) ENGINE = InnoDB;

-- windows

CREATE TABLE IF NOT EXISTS keelson_windows_device (
  tenant     BIGINT NOT NULL,
  enrollment BIGINT NOT NULL,
  device_id  VARBINARY(512) NOT NULL,
  hw_dev_id  VARBINARY(512) NOT NULL,
  person     VARBINARY(512) NOT NULL,
  os_version VARBINARY(255) NOT NULL,
  at         BIGINT NOT NULL,
  PRIMARY KEY (tenant, enrollment)
) ENGINE = InnoDB;
CREATE TABLE IF NOT EXISTS keelson_windows_session (
  id         BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  tenant     BIGINT NOT NULL,
  enrollment BIGINT NOT NULL,
  session    VARBINARY(512) NOT NULL,
  msg        BIGINT NOT NULL,
  body       VARBINARY(32) NOT NULL,
  reply      MEDIUMBLOB,
  state      MEDIUMBLOB,
  at         BIGINT NOT NULL,
  UNIQUE KEY keelson_windows_session_id (tenant, enrollment, session)
) ENGINE = InnoDB;

-- +goose Down
SELECT 'this schema only goes forward';
