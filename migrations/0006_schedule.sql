-- Why: dates that people believe. Durations in working time, three schedule methods (company, type, order), and the recomputation of
-- open orders in the background after a calendar, a duration or a method changed: bounded batches, resumable, visible.

-- How due dates are planned where neither the order nor its type says.
ALTER TABLE catalogue_version ADD COLUMN schedule_method text NOT NULL DEFAULT 'FROM_ORDER_DATE'
    CONSTRAINT catalogue_schedule_method_known CHECK (schedule_method IN ('FROM_ORDER_DATE', 'FROM_DELIVERY_DATE', 'FROM_ENTRY'));
ALTER TABLE catalogue_version ADD COLUMN schedule_version bigint NOT NULL DEFAULT 1;
-- Until now there was one method, and every type had it: it is what the company does.
ALTER TABLE order_types ALTER COLUMN schedule_method DROP NOT NULL, DROP CONSTRAINT order_types_schedule_method_known;
UPDATE order_types SET schedule_method = NULL;
ALTER TABLE order_types ADD CONSTRAINT order_types_schedule_method_known
    CHECK (schedule_method IN ('FROM_ORDER_DATE', 'FROM_DELIVERY_DATE', 'FROM_ENTRY'));

-- A duration is business days or minutes of working time.
ALTER TABLE statuses ADD COLUMN duration_minutes integer
    CONSTRAINT statuses_duration_minutes_range CHECK (duration_minutes BETWEEN 1 AND 600000),
    ADD CONSTRAINT statuses_one_duration CHECK (duration_days IS NULL OR duration_minutes IS NULL);

ALTER TABLE orders DROP CONSTRAINT orders_due_source_known, DROP CONSTRAINT orders_interrupted_source_known;
ALTER TABLE orders
    ADD CONSTRAINT orders_due_source_known CHECK (due_source IN ('PLAN', 'ENTRY', 'MANUAL', 'DELIVERY')) NOT VALID,
    ADD CONSTRAINT orders_interrupted_source_known
        CHECK (interrupted_source IN ('PLAN', 'ENTRY', 'MANUAL', 'DELIVERY')) NOT VALID;
ALTER TABLE visits DROP CONSTRAINT visits_due_source_known;
ALTER TABLE visits ADD CONSTRAINT visits_due_source_known
    CHECK (due_source IN ('PLAN', 'ENTRY', 'MANUAL', 'DELIVERY')) NOT VALID;

-- What few orders have: a method of its own; from when a resumed visit counts; of what was interrupted the instant at which its
-- working time ends, from when it counts, and whether it was rework.
ALTER TABLE orders ADD COLUMN scheduling jsonb
    CONSTRAINT orders_scheduling_object CHECK (jsonb_typeof(scheduling) = 'object');
-- Health turns with time: it is AHEAD before the first instant, LATE from the second on, ON_TARGET between. Not known: NULL and
-- infinity. Of a closed order they lie in 1970 or in 2200, so that its health does not turn any more.
ALTER TABLE orders ADD COLUMN ahead_until timestamptz, ADD COLUMN late_from timestamptz NOT NULL DEFAULT 'infinity';
CREATE INDEX orders_late ON orders (late_from, id) WHERE closed_at IS NULL;

-- Orders stay, and an open visit changes only in its due date and its end; the rule of 0004 left out three of its columns.
CREATE TRIGGER orders_never_removed BEFORE DELETE OR TRUNCATE ON orders
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
DROP TRIGGER visits_ended_stay ON visits;
CREATE TRIGGER visits_ended_stay BEFORE UPDATE ON visits FOR EACH ROW
    WHEN (OLD.left_at IS NOT NULL OR (OLD.order_id, OLD.sequence, OLD.status, OLD.status_name, OLD.entered_at, OLD.entered_on,
        OLD.entered_by, OLD.entered_for, OLD.rework, OLD.resumed, OLD.skipped) IS DISTINCT FROM (NEW.order_id, NEW.sequence,
        NEW.status, NEW.status_name, NEW.entered_at, NEW.entered_on, NEW.entered_by, NEW.entered_for, NEW.rework, NEW.resumed,
        NEW.skipped))
    EXECUTE FUNCTION keep_visit();

-- Recomputations. Each batch locks the row, walks on from `after_id`, and moves it in the transaction that writes the orders: killed
-- anywhere, the work goes on where the last batch ended.
CREATE TABLE replans (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cause         text NOT NULL CONSTRAINT replans_cause_known CHECK (cause IN ('CALENDAR', 'METHOD', 'CYCLE')),
    subject       text NOT NULL,
    reason        text NOT NULL CONSTRAINT replans_reason_length CHECK (char_length(reason) <= 500),
    order_types   text[] NOT NULL,
    actor         text NOT NULL,
    requested_at  timestamptz NOT NULL,
    -- Due dates are planned anew; otherwise only when health turns.
    dates         boolean NOT NULL,
    -- Open orders that were to be looked at when it began.
    orders        bigint,
    after_id      uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    examined      bigint NOT NULL DEFAULT 0,
    changed       bigint NOT NULL DEFAULT 0,
    newly_overdue bigint NOT NULL DEFAULT 0,
    in_time_again bigint NOT NULL DEFAULT 0,
    failed        bigint NOT NULL DEFAULT 0,
    started_at    timestamptz,
    finished_at   timestamptz,
    CONSTRAINT replans_finished_after_start CHECK (finished_at IS NULL OR started_at IS NOT NULL)
);
CREATE INDEX replans_unfinished ON replans (id) WHERE finished_at IS NULL;

-- When the health of the orders that are there turns is found out in the background.
INSERT INTO replans (cause, subject, reason, order_types, dates, actor, requested_at)
SELECT 'CYCLE', 'all', 'lists by health are new', array_agg(id ORDER BY id), false, 'andon', now()
FROM order_types HAVING count(*) > 0;
