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
