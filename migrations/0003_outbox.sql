-- Why: what was decided must reach a person, whatever is killed in between. One row per message and recipient, written in the
-- transaction of the fact. The table stays small: what is finished moves to `deliveries` in the statement that settles it.
--
--   ready -> claimed(token, lease) -> sending(token) -> (moved to deliveries: SENT, FAILED, WITHDRAWN)
--                |                        |-> ready(next attempt)      refused for now
--                |                        `-> uncertain(next attempt)  end of data written, no reply seen
--                `-> ready when the lease ends

CREATE TABLE outbox (
    id              uuid PRIMARY KEY,
    dedup_key       text NOT NULL CONSTRAINT outbox_dedup_key_key UNIQUE,
    kind            text NOT NULL CONSTRAINT outbox_kind_known CHECK (kind IN ('OVERDUE', 'OVERDUE_DIGEST', 'ADVANCED', 'NOTE_ADDED')),
    user_id         text,
    recipient_name  text NOT NULL,
    address         text NOT NULL CONSTRAINT outbox_address_length CHECK (char_length(address) BETWEEN 3 AND 254),
    -- The order it is about (of a digest: the first), its visit and due time: what is re-checked right before sending.
    order_id        uuid NOT NULL,
    order_number    text NOT NULL,
    visit_sequence  integer NOT NULL,
    due_at          timestamptz,
    -- MessageFacts as the domain decided them.
    facts           json NOT NULL,
    state           text NOT NULL DEFAULT 'READY' CONSTRAINT outbox_state_known CHECK (state IN ('READY', 'CLAIMED', 'SENDING', 'UNCERTAIN')),
    next_attempt_at timestamptz NOT NULL,
    token           uuid,
    lease_until     timestamptz,
    attempts        integer NOT NULL DEFAULT 0,
    -- Attempts since the last manual retry, counted against the limits.
    first_attempt_at timestamptz,
    uncertain_count integer NOT NULL DEFAULT 0,
    detail          text NOT NULL DEFAULT '',
    -- Rendered once, when it first goes on the wire; every retry sends the same bytes.
    subject         text NOT NULL DEFAULT '',
    message_id      text NOT NULL DEFAULT '',
    message         bytea,
    created_at      timestamptz NOT NULL,
    CONSTRAINT outbox_claim_whole CHECK ((state IN ('CLAIMED', 'SENDING')) = (token IS NOT NULL) AND (token IS NULL) = (lease_until IS NULL)),
    CONSTRAINT outbox_sending_rendered CHECK (state <> 'SENDING' OR message IS NOT NULL)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX outbox_claimable ON outbox (next_attempt_at, id) WHERE state IN ('READY', 'UNCERTAIN');
CREATE INDEX outbox_leased ON outbox (lease_until) WHERE state IN ('CLAIMED', 'SENDING');
CREATE INDEX outbox_order ON outbox (order_id);

CREATE TABLE deliveries (
    id              uuid PRIMARY KEY,
    dedup_key       text NOT NULL CONSTRAINT deliveries_dedup_key_key UNIQUE,
    kind            text NOT NULL,
    user_id         text,
    recipient_name  text NOT NULL,
    address         text NOT NULL,
    order_id        uuid NOT NULL,
    order_number    text NOT NULL,
    visit_sequence  integer NOT NULL,
    due_at          timestamptz,
    facts           json NOT NULL,
    state           text NOT NULL CONSTRAINT deliveries_state_known CHECK (state IN ('SENT', 'FAILED', 'WITHDRAWN')),
    attempts        integer NOT NULL,
    uncertain_count integer NOT NULL,
    detail          text NOT NULL,
    subject         text NOT NULL,
    message_id      text NOT NULL,
    message         bytea,
    created_at      timestamptz NOT NULL,
    settled_at      timestamptz NOT NULL
);
CREATE INDEX deliveries_order ON deliveries (order_id);
CREATE INDEX deliveries_user ON deliveries (user_id, id);

-- One row per attempt that ended: the proof of what was tried, and the record that explains every extra copy.
CREATE TABLE delivery_attempts (
    delivery_id uuid NOT NULL,
    number      integer NOT NULL,
    ended_at    timestamptz NOT NULL,
    outcome     text NOT NULL CONSTRAINT delivery_attempts_outcome_known CHECK (
        outcome IN ('SENT', 'REFUSED_FOR_NOW', 'REFUSED_FOR_GOOD', 'UNCERTAIN', 'NOT_SENT', 'TRANSPORT_DOWN')),
    reply       text NOT NULL CONSTRAINT delivery_attempts_reply_length CHECK (char_length(reply) <= 500),
    PRIMARY KEY (delivery_id, number)
);
