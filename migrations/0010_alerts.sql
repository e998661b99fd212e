-- Why: the right person, in time, once. Triggers say what is told to whom; one alarm per order serves due soon, overdue, escalation
-- and stale; people choose between a message at once and a digest; a webhook goes through the same outbox as a mail.

-- What is told, when, to whom. The domain checks the specification; the database keeps it whole. A trigger does not fire for
-- what lies before `active_since`.
CREATE TABLE triggers (
    id           text PRIMARY KEY CONSTRAINT triggers_id_slug CHECK (id ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    spec         jsonb NOT NULL CONSTRAINT triggers_spec_size CHECK (pg_column_size(spec) <= 262144),
    active_since timestamptz NOT NULL,
    version      bigint NOT NULL DEFAULT 1,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL
);
-- What the program did by itself until now is a trigger like any other.
INSERT INTO triggers (id, spec, active_since, created_at, updated_at) VALUES (
    'overdue',
    '{"name": "Overdue", "description": "Tells the assignee and the managers of the department that an order is overdue.",
      "event": "STATUS_OVERDUE", "actions": [{"email": {"to": {"assignee": true, "department_managers": true}}}],
      "enabled": true}',
    '1970-01-01T00:00:00Z', now(), now());
UPDATE catalogue_version SET version = version + 1;

-- Where webhooks go. `secrets` sign what is sent: the current one first, then those that are still accepted for a while.
CREATE TABLE webhooks (
    id         text PRIMARY KEY CONSTRAINT webhooks_id_slug CHECK (id ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    spec       jsonb NOT NULL CONSTRAINT webhooks_spec_size CHECK (pg_column_size(spec) <= 65536),
    secrets    jsonb NOT NULL CONSTRAINT webhooks_secrets_list CHECK (jsonb_typeof(secrets) = 'array'),
    version    bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

-- How a person wants to be told: at once or in a digest, by kind; when; on the days of which calendar.
ALTER TABLE users ADD COLUMN alerts jsonb NOT NULL DEFAULT '{}' CONSTRAINT users_alerts_object CHECK (jsonb_typeof(alerts) = 'object');

-- Who follows an order, and that somebody has seen that it is late: no escalation for that visit, or none before `until`.
ALTER TABLE orders ADD COLUMN followers text[] NOT NULL DEFAULT '{}',
    ADD COLUMN acknowledged jsonb CONSTRAINT orders_acknowledged_object CHECK (jsonb_typeof(acknowledged) = 'object');

-- An alert is unique per visit, rule and instant: OVERDUE by due time, a trigger by the instant at which it fires.
ALTER TABLE alerts DROP CONSTRAINT alerts_rule_known;
ALTER TABLE alerts ADD CONSTRAINT alerts_rule_length CHECK (char_length(rule) BETWEEN 1 AND 63);

ALTER TABLE history DROP CONSTRAINT history_kind_known;
ALTER TABLE history ADD CONSTRAINT history_kind_known CHECK (kind IN (
    'CREATED', 'ADVANCED', 'NOTED', 'OVERDUE', 'DUE_DATE_CHANGED', 'UPDATED', 'TYPE_CHANGED', 'CYCLE_EDITED',
    'ALERTED', 'ACKNOWLEDGED', 'FOLLOWED')) NOT VALID;

-- GATHERED waits for the digest of its recipient; nobody claims it. `rule` is the trigger that decided it, or empty.
ALTER TABLE outbox DROP CONSTRAINT outbox_kind_known, DROP CONSTRAINT outbox_state_known;
ALTER TABLE outbox
    ADD CONSTRAINT outbox_kind_length CHECK (char_length(kind) BETWEEN 1 AND 40),
    ADD CONSTRAINT outbox_state_known CHECK (state IN ('READY', 'CLAIMED', 'SENDING', 'UNCERTAIN', 'GATHERED')),
    ADD COLUMN channel text NOT NULL DEFAULT 'MAIL' CONSTRAINT outbox_channel_known CHECK (channel IN ('MAIL', 'WEBHOOK')),
    ADD COLUMN rule text NOT NULL DEFAULT '' CONSTRAINT outbox_rule_length CHECK (char_length(rule) <= 63);
DROP INDEX outbox_claimable;
CREATE INDEX outbox_claimable ON outbox (channel, next_attempt_at, id) WHERE state IN ('READY', 'UNCERTAIN');
CREATE INDEX outbox_address ON outbox (address, id);
-- A webhook tells of an order in the order of what happened.
CREATE INDEX outbox_webhook_order ON outbox (address, order_id, id) WHERE channel = 'WEBHOOK';

-- FOLDED: told by the digest `digest_id`. CANCELLED: by a person, before it was sent.
ALTER TABLE deliveries DROP CONSTRAINT deliveries_state_known;
ALTER TABLE deliveries
    ADD CONSTRAINT deliveries_state_known CHECK (state IN ('SENT', 'FAILED', 'WITHDRAWN', 'FOLDED', 'CANCELLED')) NOT VALID,
    ADD COLUMN channel text NOT NULL DEFAULT 'MAIL',
    ADD COLUMN rule text NOT NULL DEFAULT '',
    ADD COLUMN digest_id uuid;
CREATE INDEX deliveries_address ON deliveries (address, settled_at);
CREATE INDEX deliveries_digest ON deliveries (digest_id) WHERE digest_id IS NOT NULL;

-- One row per person who waits for a digest: when it is due. Whoever gathers a message for the person moves it forward only.
CREATE TABLE digests (
    address text PRIMARY KEY CONSTRAINT digests_address_length CHECK (char_length(address) BETWEEN 3 AND 254),
    user_id text,
    due_at  timestamptz NOT NULL
);
CREATE INDEX digests_due ON digests (due_at);
-- What a person's digests have told of and is not over: so that the next one says what is worse, and what has recovered.
CREATE TABLE digest_standing (
    address        text NOT NULL,
    order_id       uuid NOT NULL,
    visit_sequence integer NOT NULL,
    due_at         timestamptz NOT NULL,
    days_late      integer NOT NULL,
    told_at        timestamptz NOT NULL,
    PRIMARY KEY (address, order_id)
);

-- What somebody has to do, made by a person or by a trigger.
CREATE TABLE tasks (
    id                  uuid PRIMARY KEY,
    title               text NOT NULL CONSTRAINT tasks_title_length CHECK (char_length(title) BETWEEN 1 AND 200),
    description         text NOT NULL DEFAULT '' CONSTRAINT tasks_description_length CHECK (char_length(description) <= 2000),
    order_id            uuid,
    order_number        text NOT NULL DEFAULT '',
    assigned_user       text CONSTRAINT tasks_assigned_user_fkey REFERENCES users (id),
    assigned_department text CONSTRAINT tasks_assigned_department_fkey REFERENCES departments (id),
    due_on              date,
    -- The first instant after the due date, in the zone it was counted in.
    due_at              timestamptz,
    state               text NOT NULL CONSTRAINT tasks_state_known CHECK (state IN ('OPEN', 'DONE', 'CANCELLED')),
    -- Principal, and the trigger that made it, or empty.
    made_by             text NOT NULL,
    rule                text NOT NULL DEFAULT '',
    closed_by           text NOT NULL DEFAULT '',
    closed_at           timestamptz,
    comment             text NOT NULL DEFAULT '' CONSTRAINT tasks_comment_length CHECK (char_length(comment) <= 2000),
    version             bigint NOT NULL DEFAULT 1,
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    CONSTRAINT tasks_due_whole CHECK ((due_on IS NULL) = (due_at IS NULL)),
    CONSTRAINT tasks_closed_whole CHECK ((state = 'OPEN') = (closed_at IS NULL))
);
CREATE INDEX tasks_open_user ON tasks (assigned_user, due_at, id) WHERE state = 'OPEN' AND assigned_user IS NOT NULL;
CREATE INDEX tasks_open_department ON tasks (assigned_department, due_at, id) WHERE state = 'OPEN' AND assigned_department IS NOT NULL;
CREATE INDEX tasks_open ON tasks (due_at, id) WHERE state = 'OPEN';
CREATE INDEX tasks_order ON tasks (order_id) WHERE order_id IS NOT NULL;

-- A trigger acts once per cause, however the chain of webhooks and calls goes on.
CREATE TABLE trigger_causes (
    cause      text NOT NULL CONSTRAINT trigger_causes_cause_length CHECK (char_length(cause) BETWEEN 1 AND 64),
    rule       text NOT NULL,
    acted_at   timestamptz NOT NULL,
    PRIMARY KEY (cause, rule)
);
CREATE INDEX trigger_causes_acted_at ON trigger_causes (acted_at);
