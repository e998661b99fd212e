-- Why: tasks are listed in pages by due time, closed ones too, so those without a due time need a place in the index: the last.
-- And a message may be about a task that has no order.

ALTER TABLE tasks
    ADD COLUMN due_sort timestamptz NOT NULL GENERATED ALWAYS AS (COALESCE(due_at, 'infinity')) STORED;
DROP INDEX tasks_open_user, tasks_open_department, tasks_open, tasks_order;
CREATE INDEX tasks_open ON tasks (due_sort, id) WHERE state = 'OPEN';
CREATE INDEX tasks_open_user ON tasks (assigned_user, due_sort, id) WHERE state = 'OPEN' AND assigned_user IS NOT NULL;
CREATE INDEX tasks_open_department ON tasks (assigned_department, due_sort, id)
    WHERE state = 'OPEN' AND assigned_department IS NOT NULL;
CREATE INDEX tasks_order ON tasks (order_id, due_sort, id) WHERE order_id IS NOT NULL;
CREATE INDEX tasks_due ON tasks (due_sort, id);
-- For lists of what is closed.
CREATE INDEX tasks_user ON tasks (assigned_user, due_sort, id) WHERE assigned_user IS NOT NULL;
CREATE INDEX tasks_department ON tasks (assigned_department, due_sort, id) WHERE assigned_department IS NOT NULL;

ALTER TABLE outbox ALTER COLUMN order_id DROP NOT NULL;
ALTER TABLE deliveries ALTER COLUMN order_id DROP NOT NULL;

-- What is told of a task is told as long as it is so.
CREATE OR REPLACE FUNCTION message_holds(
    kind text, of_order uuid, of_visit integer, due timestamptz, decided_at timestamptz, facts json, at timestamptz
) RETURNS boolean STABLE LANGUAGE plpgsql AS $$
BEGIN
    CASE kind
    WHEN 'OVERDUE' THEN
        RETURN EXISTS (
            SELECT FROM orders o
            WHERE o.id = of_order AND o.visit_sequence = of_visit AND o.closed_at IS NULL AND o.due_at = due);
    WHEN 'ESCALATION' THEN
        RETURN EXISTS (
            SELECT FROM orders o
            WHERE o.id = of_order AND o.visit_sequence = of_visit AND o.closed_at IS NULL AND o.due_at = due
              AND (o.acknowledged ->> 'visit')::integer IS DISTINCT FROM o.visit_sequence);
    WHEN 'STALE' THEN
        RETURN EXISTS (
            SELECT FROM orders o
            WHERE o.id = of_order AND o.visit_sequence = of_visit AND o.closed_at IS NULL AND o.updated_at <= decided_at);
    WHEN 'DUE_SOON' THEN
        RETURN EXISTS (
            SELECT FROM orders o
            WHERE o.id = of_order AND o.visit_sequence = of_visit AND o.closed_at IS NULL AND o.due_at = due AND o.due_at > at);
    WHEN 'OVERDUE_DIGEST' THEN
        -- As long as one of its orders is still overdue, or was only counted.
        RETURN (facts #>> '{OverdueDigest,more}')::bigint > 0 OR EXISTS (
            SELECT FROM json_array_elements(facts #> '{OverdueDigest,orders}') f
            JOIN orders o ON o.id = (f ->> 'order_id')::uuid
            WHERE o.closed_at IS NULL AND o.due_at = (f ->> 'due_at')::timestamptz);
    WHEN 'TASK' THEN
        -- As long as it is open, and whom it was given to has it.
        RETURN EXISTS (
            SELECT FROM tasks t
            WHERE t.id = (facts #>> '{Task,task_id}')::uuid AND t.state = 'OPEN'
              AND t.assigned_user IS NOT DISTINCT FROM facts #>> '{Task,user}'
              AND (t.assigned_user IS NOT NULL OR t.assigned_department IS NOT DISTINCT FROM facts #>> '{Task,department}'));
    ELSE
        RETURN true;
    END CASE;
END $$;
