-- Why: the whole status model. Cycles are edited while orders are live, so a status may go and its orders move to another one in
-- the same transaction; what a status was called stays in visits and history, and its id is never given to another status.
-- Everything is added with a default, so that the programs of the version before go on working.

-- Columns of the board in their order. A status names one by id, or has a column of its own.
CREATE TABLE stages (
    id       text PRIMARY KEY CONSTRAINT stages_id_slug CHECK (id ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    name     text NOT NULL CONSTRAINT stages_name_length CHECK (char_length(name) BETWEEN 1 AND 100),
    colour   text NOT NULL CONSTRAINT stages_colour_form CHECK (colour ~ '^#[0-9a-f]{6}$'),
    position integer NOT NULL CONSTRAINT stages_position_unique UNIQUE DEFERRABLE INITIALLY DEFERRED
);
ALTER TABLE catalogue_version ADD COLUMN stages_version bigint NOT NULL DEFAULT 1;

ALTER TABLE statuses ADD COLUMN icon text NOT NULL DEFAULT ''
    CONSTRAINT statuses_icon_length CHECK (char_length(icon) <= 20);

-- The moves that orders of a type may make, [{"from": null, "to": "milling", "roles": []}, ...]; none = all.
ALTER TABLE order_types ADD COLUMN moves jsonb NOT NULL DEFAULT '[]'
    CONSTRAINT order_types_moves_list CHECK (jsonb_typeof(moves) = 'array');
ALTER TABLE order_types ADD COLUMN health_tolerance integer NOT NULL DEFAULT 0
    CONSTRAINT order_types_health_tolerance_range CHECK (health_tolerance BETWEEN 0 AND 3650);

-- Ids of statuses that orders were in and that are gone: never used again.
CREATE TABLE retired_statuses (
    order_type text NOT NULL CONSTRAINT retired_statuses_order_type_fkey REFERENCES order_types (id),
    id         text NOT NULL,
    name       text NOT NULL,
    retired_at timestamptz NOT NULL,
    PRIMARY KEY (order_type, id)
);
CREATE FUNCTION refuse_retired_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM retired_statuses r WHERE r.order_type = NEW.order_type AND r.id = NEW.id) THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', CONSTRAINT = 'statuses_id_not_reused',
            MESSAGE = 'the id of a status is never used again';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER statuses_id_not_reused BEFORE INSERT ON statuses FOR EACH ROW EXECUTE FUNCTION refuse_retired_status();
CREATE TRIGGER retired_statuses_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON retired_statuses
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE users ADD COLUMN language text NOT NULL DEFAULT ''
    CONSTRAINT users_language_length CHECK (char_length(language) <= 35);
ALTER TABLE users ADD COLUMN zone text NOT NULL DEFAULT ''
    CONSTRAINT users_zone_length CHECK (char_length(zone) <= 64);

ALTER TABLE departments ADD COLUMN calendar text
    CONSTRAINT departments_calendar_fkey REFERENCES calendars (id);
CREATE TABLE department_members (
    department text NOT NULL CONSTRAINT department_members_department_fkey REFERENCES departments (id),
    member     text NOT NULL CONSTRAINT department_members_member_fkey REFERENCES users (id),
    position   integer NOT NULL,
    PRIMARY KEY (department, member)
);

-- Questions that no note has answered; what a person last said about the order; of a closed order, its real finish.
ALTER TABLE orders ADD COLUMN open_questions uuid[] NOT NULL DEFAULT '{}'
    CONSTRAINT orders_open_questions_count CHECK (cardinality(open_questions) <= 200);
ALTER TABLE orders ADD COLUMN assessment jsonb
    CONSTRAINT orders_assessment_object CHECK (jsonb_typeof(assessment) = 'object');
ALTER TABLE orders ADD COLUMN finish jsonb
    CONSTRAINT orders_finish_object CHECK (jsonb_typeof(finish) = 'object');
CREATE INDEX orders_questions_open ON orders (due_sort, id) WHERE cardinality(open_questions) > 0;
-- Edits of a cycle look for the orders of a status, open and closed; so does the foreign key when a status goes.
CREATE INDEX orders_status ON orders (order_type, status);

ALTER TABLE notes ADD COLUMN assessment text
    CONSTRAINT notes_assessment_known CHECK (assessment IN ('AHEAD', 'ON_TARGET', 'LATE'));

ALTER TABLE history DROP CONSTRAINT history_kind_known;
ALTER TABLE history ADD CONSTRAINT history_kind_known CHECK (kind IN (
    'CREATED', 'ADVANCED', 'NOTED', 'OVERDUE', 'DUE_DATE_CHANGED', 'UPDATED', 'TYPE_CHANGED', 'CYCLE_EDITED')) NOT VALID;

-- A visit that has ended stays as it was; visits are never removed. The open one changes only in its due date and its end.
CREATE FUNCTION keep_visit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'check_violation', CONSTRAINT = 'visits_append_only',
        MESSAGE = 'a visit that has ended is not changed, and none is removed';
END $$;
CREATE TRIGGER visits_ended_stay BEFORE UPDATE ON visits FOR EACH ROW
    WHEN (OLD.left_at IS NOT NULL OR (OLD.order_id, OLD.sequence, OLD.status, OLD.status_name, OLD.entered_at, OLD.entered_on,
        OLD.entered_by, OLD.entered_for) IS DISTINCT FROM (NEW.order_id, NEW.sequence, NEW.status, NEW.status_name,
        NEW.entered_at, NEW.entered_on, NEW.entered_by, NEW.entered_for))
    EXECUTE FUNCTION keep_visit();
CREATE TRIGGER visits_append_only BEFORE DELETE OR TRUNCATE ON visits FOR EACH STATEMENT EXECUTE FUNCTION keep_visit();
CREATE TRIGGER alerts_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON alerts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Edits of the catalogue and changes of orders keep out of each other's way by a lock of the transaction. A change shares it and
-- then reads the version: being volatile, the function sees what was committed while it waited. An edit has it for itself from
-- its beginning to its end. Whoever waits for it is served in turn, so that a stream of changes does not starve an edit.
CREATE FUNCTION share_catalogue() RETURNS bigint VOLATILE LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(4714229);
    RETURN (SELECT version FROM catalogue_version);
END $$;
CREATE FUNCTION try_share_catalogue() RETURNS boolean VOLATILE LANGUAGE sql AS $$
    SELECT pg_try_advisory_xact_lock_shared(4714229);
$$;
CREATE FUNCTION own_catalogue() RETURNS bigint VOLATILE LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(4714229);
    RETURN (SELECT version FROM catalogue_version);
END $$;
