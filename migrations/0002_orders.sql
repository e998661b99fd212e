-- Why: an order row carries all that a decision about it needs (its current visit, what it completed, its next alarm), so that
-- facts are one read and a list is one index walk. What happened is kept beside it: visits, notes and history are only ever
-- added to. There are no foreign keys from these to orders: orders are never deleted, and every row is written by the one
-- statement that has the order row locked.

CREATE TABLE orders (
    id                  uuid PRIMARY KEY,
    number              text COLLATE "C" NOT NULL
        CONSTRAINT orders_number_key UNIQUE
        CONSTRAINT orders_number_length CHECK (char_length(number) BETWEEN 1 AND 64),
    order_type          text NOT NULL,
    title               text NOT NULL CONSTRAINT orders_title_length CHECK (char_length(title) <= 200),
    customer_reference  text NOT NULL CONSTRAINT orders_customer_reference_length CHECK (char_length(customer_reference) <= 100),
    vendor_reference    text NOT NULL CONSTRAINT orders_vendor_reference_length CHECK (char_length(vendor_reference) <= 100),
    sales_order_line    text NOT NULL CONSTRAINT orders_sales_order_line_length CHECK (char_length(sales_order_line) <= 100),
    product             text NOT NULL CONSTRAINT orders_product_length CHECK (char_length(product) <= 100),
    quantity            numeric CONSTRAINT orders_quantity_range CHECK (quantity >= 0 AND quantity <= 1e15),
    ordered_on          date NOT NULL,
    delivery_on         date,
    priority            integer NOT NULL CONSTRAINT orders_priority_range CHECK (priority BETWEEN -1000 AND 1000),
    labels              jsonb NOT NULL CONSTRAINT orders_labels_object CHECK (jsonb_typeof(labels) = 'object'),
    assigned_department text CONSTRAINT orders_assigned_department_fkey REFERENCES departments (id),
    assigned_user       text CONSTRAINT orders_assigned_user_fkey REFERENCES users (id),
    -- The current visit (of a closed order: the last one).
    status              text NOT NULL,
    visit_sequence      integer NOT NULL CONSTRAINT orders_visit_sequence_range CHECK (visit_sequence >= 1),
    entered_at          timestamptz NOT NULL,
    entered_on          date NOT NULL,
    due_on              date,
    due_at              timestamptz,
    due_source          text CONSTRAINT orders_due_source_known CHECK (due_source IN ('PLAN', 'ENTRY', 'MANUAL')),
    -- Lists by due time put orders without one last, in one index walk.
    due_sort            timestamptz NOT NULL GENERATED ALWAYS AS (COALESCE(due_at, 'infinity')) STORED,
    rework              boolean NOT NULL,
    resumed             boolean NOT NULL,
    entered_by          text NOT NULL,
    entered_for         text NOT NULL,
    status_name         text NOT NULL,
    -- The earliest instant at which anything about this order must happen.
    next_alarm_at       timestamptz,
    closed_at           timestamptz,
    -- Statuses that were completed at least once: coming back to one is rework.
    completed           text[] NOT NULL,
    -- The status that was left not complete and is resumed by coming back, with the due date it had.
    interrupted_status  text,
    interrupted_due_on  date,
    interrupted_source  text CONSTRAINT orders_interrupted_source_known CHECK (interrupted_source IN ('PLAN', 'ENTRY', 'MANUAL')),
    -- The last status of the cycle it was in: where a move from beside the cycle goes on.
    cycle_status        text NOT NULL,
    -- The times on hold, [[from, to], ...], and the working days lost by them.
    holds               jsonb NOT NULL CONSTRAINT orders_holds_list CHECK (jsonb_typeof(holds) = 'array'),
    lost_days           integer NOT NULL CONSTRAINT orders_lost_days_range CHECK (lost_days >= 0),
    -- The newest note, as lists and messages show it.
    last_note           jsonb,
    history_sequence    integer NOT NULL,
    -- NULL unless the order came in by import; the hash tells whether the same past is sent again.
    import_fingerprint  bytea,
    imported_at         timestamptz,
    -- Guards every write. etag follows revision, which only changes that a caller can see bump.
    version             bigint NOT NULL,
    revision            bigint NOT NULL,
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    -- The wall clock of the database when a caller last changed the order: tells whether that was after a call arrived.
    touched_at          timestamptz NOT NULL,
    CONSTRAINT orders_status_fkey FOREIGN KEY (order_type, status) REFERENCES statuses (order_type, id),
    CONSTRAINT orders_due_whole CHECK ((due_on IS NULL) = (due_at IS NULL) AND (due_on IS NULL) = (due_source IS NULL)),
    CONSTRAINT orders_closed_has_no_alarm CHECK (closed_at IS NULL OR next_alarm_at IS NULL),
    CONSTRAINT orders_import_whole CHECK ((import_fingerprint IS NULL) = (imported_at IS NULL))
) WITH (fillfactor = 85);

CREATE INDEX orders_due_open ON orders (due_sort, id) WHERE closed_at IS NULL;
CREATE INDEX orders_board ON orders (order_type, status, due_sort, id) WHERE closed_at IS NULL;
CREATE INDEX orders_department_open ON orders (assigned_department, due_sort, id) WHERE closed_at IS NULL AND assigned_department IS NOT NULL;
CREATE INDEX orders_user_open ON orders (assigned_user, due_sort, id) WHERE closed_at IS NULL AND assigned_user IS NOT NULL;
CREATE INDEX orders_customer_reference ON orders (customer_reference, id) WHERE customer_reference <> '';
CREATE INDEX orders_closed ON orders (id) WHERE closed_at IS NOT NULL;
CREATE INDEX orders_due_closed ON orders (due_sort, id) WHERE closed_at IS NOT NULL;
CREATE INDEX orders_due_any ON orders (due_sort, id);
CREATE INDEX orders_next_alarm ON orders (next_alarm_at) WHERE next_alarm_at IS NOT NULL;

CREATE TABLE visits (
    order_id     uuid NOT NULL,
    sequence     integer NOT NULL CONSTRAINT visits_sequence_range CHECK (sequence >= 1),
    status       text NOT NULL,
    status_name  text NOT NULL,
    entered_at   timestamptz NOT NULL,
    entered_on   date NOT NULL,
    due_on       date,
    due_at       timestamptz,
    due_source   text CONSTRAINT visits_due_source_known CHECK (due_source IN ('PLAN', 'ENTRY', 'MANUAL')),
    rework       boolean NOT NULL,
    resumed      boolean NOT NULL,
    skipped      boolean NOT NULL,
    entered_by   text NOT NULL,
    entered_for  text NOT NULL,
    left_at      timestamptz,
    completed_on date,
    completed    boolean NOT NULL,
    PRIMARY KEY (order_id, sequence),
    CONSTRAINT visits_left_after_entered CHECK (left_at >= entered_at),
    CONSTRAINT visits_skipped_zero_time CHECK (NOT skipped OR (left_at = entered_at AND NOT completed)),
    CONSTRAINT visits_completed_when_left CHECK (NOT completed OR left_at IS NOT NULL),
    CONSTRAINT visits_due_whole CHECK ((due_on IS NULL) = (due_at IS NULL) AND (due_on IS NULL) = (due_source IS NULL))
) WITH (fillfactor = 90);
CREATE UNIQUE INDEX visits_one_open ON visits (order_id) WHERE left_at IS NULL;
-- Whether a status was ever used; asked when one is to be deleted.
CREATE INDEX visits_status ON visits (status);

CREATE TABLE notes (
    id         uuid PRIMARY KEY,
    order_id   uuid NOT NULL,
    author     text NOT NULL CONSTRAINT notes_author_length CHECK (char_length(author) BETWEEN 1 AND 100),
    written_at timestamptz NOT NULL,
    kind       text NOT NULL CONSTRAINT notes_kind_known CHECK (kind IN ('NOTE', 'QUESTION', 'ANSWER', 'DECISION')),
    text       text NOT NULL CONSTRAINT notes_text_length CHECK (char_length(text) BETWEEN 1 AND 20000),
    answers    uuid CONSTRAINT notes_answers_fkey REFERENCES notes (id),
    CONSTRAINT notes_answer_has_question CHECK ((kind = 'ANSWER') = (answers IS NOT NULL))
);
CREATE INDEX notes_order ON notes (order_id, id);

CREATE TABLE history (
    order_id uuid NOT NULL,
    sequence integer NOT NULL CONSTRAINT history_sequence_range CHECK (sequence >= 1),
    at       timestamptz NOT NULL,
    kind     text NOT NULL CONSTRAINT history_kind_known CHECK (
        kind IN ('CREATED', 'ADVANCED', 'NOTED', 'OVERDUE', 'DUE_DATE_CHANGED')),
    actor    text NOT NULL,
    acted_for text NOT NULL,
    imported boolean NOT NULL,
    -- What happened, as the domain wrote it.
    detail   json NOT NULL,
    PRIMARY KEY (order_id, sequence)
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'check_violation', CONSTRAINT = TG_TABLE_NAME || '_append_only',
        MESSAGE = TG_TABLE_NAME || ' is only added to';
END $$;
CREATE TRIGGER history_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON history
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER notes_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON notes
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- One alert per visit, rule and due time, whatever ticks twice.
CREATE TABLE alerts (
    order_id       uuid NOT NULL,
    visit_sequence integer NOT NULL,
    rule           text NOT NULL CONSTRAINT alerts_rule_known CHECK (rule IN ('OVERDUE')),
    due_at         timestamptz NOT NULL,
    fired_at       timestamptz NOT NULL,
    PRIMARY KEY (order_id, visit_sequence, rule, due_at)
);

-- The change feed's rows. A reader goes by (xid, id) below the oldest running transaction, so that nothing is passed over.
CREATE TABLE changes (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid      xid8 NOT NULL DEFAULT pg_current_xact_id(),
    order_id uuid NOT NULL,
    version  bigint NOT NULL,
    at       timestamptz NOT NULL
);

-- Raises when a guarded write did not find all the rows as they were read: the whole statement is undone, the caller decides again.
CREATE FUNCTION require_guard(counted bigint, wanted bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF counted IS DISTINCT FROM wanted THEN
        RAISE EXCEPTION USING ERRCODE = 'AN001', MESSAGE = 'the facts changed';
    END IF;
    RETURN true;
END $$;
