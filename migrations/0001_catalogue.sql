-- Why: types, statuses, calendars and people are small, rarely changed, and read at every decision. Daemons hold them as a
-- snapshot with a version; every edit bumps the version in its own transaction, and every decision compares it in the round
-- trip it makes anyway. The cycle of a type (one active initial, one active final) is kept here, not only by code.

CREATE TABLE catalogue_version (
    only_row boolean PRIMARY KEY DEFAULT true CONSTRAINT catalogue_version_one_row CHECK (only_row),
    version  bigint NOT NULL
);
INSERT INTO catalogue_version (version) VALUES (1);

-- A key that all daemons on this database share: it authenticates page tokens.
CREATE TABLE installation (
    only_row       boolean PRIMARY KEY DEFAULT true CONSTRAINT installation_one_row CHECK (only_row),
    page_token_key bytea NOT NULL CONSTRAINT installation_page_token_key_length CHECK (octet_length(page_token_key) = 32)
);
INSERT INTO installation (page_token_key)
VALUES (decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'));

CREATE TABLE calendars (
    id         text PRIMARY KEY CONSTRAINT calendars_id_slug CHECK (id ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    -- The calendar as the domain writes it: zone, week, exceptions. The domain checks it; the database keeps it whole.
    spec       jsonb NOT NULL CONSTRAINT calendars_spec_size CHECK (pg_column_size(spec) <= 1048576),
    version    bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE TABLE users (
    id           text PRIMARY KEY CONSTRAINT users_id_slug CHECK (id ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    display_name text NOT NULL CONSTRAINT users_display_name_length CHECK (char_length(display_name) BETWEEN 1 AND 100),
    email        text NOT NULL CONSTRAINT users_email_length CHECK (char_length(email) <= 254),
    roles        text[] NOT NULL CONSTRAINT users_roles_known CHECK (
        roles <@ ARRAY['VIEWER', 'REPORTER', 'PLANNER', 'MANAGER', 'OPERATOR', 'ADMIN', 'AUDITOR']),
    inactive     boolean NOT NULL,
    version      bigint NOT NULL DEFAULT 1,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL
);

CREATE TABLE departments (
    id         text PRIMARY KEY CONSTRAINT departments_id_slug CHECK (id ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    name       text NOT NULL CONSTRAINT departments_name_length CHECK (char_length(name) BETWEEN 1 AND 100),
    inactive   boolean NOT NULL,
    version    bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE TABLE department_managers (
    department text NOT NULL CONSTRAINT department_managers_department_fkey REFERENCES departments (id),
    manager    text NOT NULL CONSTRAINT department_managers_manager_fkey REFERENCES users (id),
    position   integer NOT NULL,
    PRIMARY KEY (department, manager)
);

CREATE TABLE order_types (
    id              text PRIMARY KEY CONSTRAINT order_types_id_slug CHECK (id ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    name            text NOT NULL CONSTRAINT order_types_name_length CHECK (char_length(name) BETWEEN 1 AND 100),
    description     text NOT NULL CONSTRAINT order_types_description_length CHECK (char_length(description) <= 2000),
    calendar        text NOT NULL CONSTRAINT order_types_calendar_fkey REFERENCES calendars (id),
    schedule_method text NOT NULL CONSTRAINT order_types_schedule_method_known CHECK (schedule_method IN ('FROM_ORDER_DATE')),
    -- NULL: the initial status.
    default_status  text,
    inactive        boolean NOT NULL,
    version         bigint NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL
);

CREATE TABLE statuses (
    order_type         text NOT NULL CONSTRAINT statuses_order_type_fkey REFERENCES order_types (id),
    id                 text NOT NULL CONSTRAINT statuses_id_slug CHECK (id ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    name               text NOT NULL CONSTRAINT statuses_name_length CHECK (char_length(name) BETWEEN 1 AND 100),
    definition         text NOT NULL CONSTRAINT statuses_definition_length CHECK (char_length(definition) <= 2000),
    colour             text NOT NULL CONSTRAINT statuses_colour_form CHECK (colour ~ '^#[0-9a-f]{6}$'),
    stage              text NOT NULL CONSTRAINT statuses_stage_length CHECK (char_length(stage) <= 100),
    default_department text CONSTRAINT statuses_default_department_fkey REFERENCES departments (id),
    default_user       text CONSTRAINT statuses_default_user_fkey REFERENCES users (id),
    duration_days      integer CONSTRAINT statuses_duration_days_range CHECK (duration_days BETWEEN 0 AND 3650),
    kind               text NOT NULL CONSTRAINT statuses_kind_known CHECK (kind IN ('INITIAL', 'STANDARD', 'FINAL', 'NON_STANDARD')),
    clock              text NOT NULL CONSTRAINT statuses_clock_known CHECK (clock IN ('RUNS', 'PAUSES', 'STOPS')),
    inactive           boolean NOT NULL,
    position           integer NOT NULL,
    PRIMARY KEY (order_type, id),
    CONSTRAINT statuses_clock_beside_the_cycle CHECK (clock = 'RUNS' OR kind = 'NON_STANDARD'),
    CONSTRAINT statuses_position_unique UNIQUE (order_type, position) DEFERRABLE INITIALLY DEFERRED
);
CREATE UNIQUE INDEX statuses_one_initial ON statuses (order_type) WHERE kind = 'INITIAL' AND NOT inactive;
CREATE UNIQUE INDEX statuses_one_final ON statuses (order_type) WHERE kind = 'FINAL' AND NOT inactive;

ALTER TABLE order_types ADD CONSTRAINT order_types_default_status_fkey
    FOREIGN KEY (id, default_status) REFERENCES statuses (order_type, id) DEFERRABLE INITIALLY DEFERRED;

-- The partial indexes keep "at most one"; this keeps "at least one", and the places, at commit.
CREATE FUNCTION check_cycle() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    checked text := COALESCE(NEW.order_type, OLD.order_type);
    broken  boolean;
BEGIN
    IF NOT EXISTS (SELECT FROM order_types WHERE id = checked) THEN
        RETURN NULL;
    END IF;
    SELECT count(*) FILTER (WHERE kind = 'INITIAL') <> 1
        OR count(*) FILTER (WHERE kind = 'FINAL') <> 1
        OR min(position) FILTER (WHERE kind <> 'NON_STANDARD') <> min(position) FILTER (WHERE kind = 'INITIAL')
        OR max(position) FILTER (WHERE kind <> 'NON_STANDARD') <> max(position) FILTER (WHERE kind = 'FINAL')
      INTO broken
      FROM statuses WHERE order_type = checked AND NOT inactive;
    IF broken THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', CONSTRAINT = 'statuses_cycle_whole',
            MESSAGE = 'one active initial status first, one active final status last';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER statuses_cycle_whole AFTER INSERT OR UPDATE OR DELETE ON statuses
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_cycle();

-- Answers to writes, so that a repeated request id gives the stored answer. Kept for 7 days.
CREATE TABLE requests (
    id          text PRIMARY KEY CONSTRAINT requests_id_length CHECK (char_length(id) BETWEEN 1 AND 64),
    fingerprint bytea NOT NULL CONSTRAINT requests_fingerprint_length CHECK (octet_length(fingerprint) = 32),
    outcome     bytea NOT NULL,
    created_at  timestamptz NOT NULL
);
CREATE INDEX requests_created_at ON requests (created_at);
