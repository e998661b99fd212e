-- A plant of {orders} orders, each with one visit and one history entry, by set-based statements.
-- Foreign keys hold by construction; checking them row by row would take longer than all the rest.
SET session_replication_role = replica;
SET synchronous_commit = off;
SET maintenance_work_mem = '512MB';

INSERT INTO calendars (id, spec, created_at, updated_at) VALUES ('plant',
    '{"id": "plant", "name": "Plant", "zone": "UTC", "week": [{"open": []}, {"open": []}, {"open": []}, {"open": []}, {"open": []}, "closed", "closed"], "exceptions": [], "maintained_until": null}',
    now(), now());
INSERT INTO users (id, display_name, email, roles, inactive, created_at, updated_at)
SELECT 'u' || n, 'Worker ' || n, 'worker' || n || '@plant.example', ARRAY['REPORTER'], false, now(), now() FROM generate_series(0, 199) n
UNION ALL
SELECT 'm' || n, 'Manager ' || n, 'manager' || n || '@plant.example', ARRAY['MANAGER'], false, now(), now() FROM generate_series(0, 19) n;
INSERT INTO departments (id, name, inactive, created_at, updated_at)
SELECT 'd' || n, 'Department ' || n, false, now(), now() FROM generate_series(0, 19) n;
INSERT INTO department_managers (department, manager, position) SELECT 'd' || n, 'm' || n, 0 FROM generate_series(0, 19) n;
INSERT INTO order_types (id, name, description, calendar, schedule_method, inactive, created_at, updated_at)
VALUES ('bench', 'Welded parts', '', 'plant', 'FROM_ORDER_DATE', false, now(), now());
INSERT INTO statuses (order_type, id, name, definition, colour, stage, duration_days, kind, clock, inactive, position)
SELECT 'bench', 's' || n, 'Step ' || n, 'Work of step ' || n || ' is going on', '#336699', 'Stage ' || n, 30,
    CASE n WHEN 1 THEN 'INITIAL' WHEN 12 THEN 'FINAL' ELSE 'STANDARD' END, 'RUNS', false, n
FROM generate_series(1, 12) n;
UPDATE catalogue_version SET version = version + 1;

-- By n: 0 to 5 of 10 go overdue together on one of six days (for the sweep); of the rest 18 of 20 are overdue and told
-- already, 19 of 20 are closed, the others are due later (for the moves).
INSERT INTO orders (
    id, number, order_type, title, customer_reference, vendor_reference, sales_order_line, product, quantity, ordered_on,
    priority, labels, assigned_department, assigned_user, status, visit_sequence, entered_at, entered_on, due_on, due_at,
    due_source, rework, resumed, entered_by, entered_for, status_name, next_alarm_at, closed_at, completed, cycle_status,
    holds, lost_days, history_sequence, version, revision, created_at, updated_at, touched_at)
SELECT
    (lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint - (5 * {orders} - 5 * n::bigint)), 12, '0') || '7'
        || lpad(to_hex(n % 4096), 3, '0') || '8' || substr(md5(n::text), 1, 15))::uuid,
    'A' || lpad(n::text, 8, '0'), 'bench', 'Bracket, welded, lot ' || n, 'PO-' || n % 1000, '', '', 'P-' || n % 500,
    n % 100 + 1, current_date, 0, '{}', 'd' || n % 20, 'u' || n % 200, status, 1, now() - interval '1 hour',
    current_date, due_on, (due_on + 1)::timestamp AT TIME ZONE 'UTC', CASE WHEN n % 10 < 6 THEN 'MANUAL' ELSE 'PLAN' END,
    false, false, 'bench', '', 'Step ' || substr(status, 2),
    CASE WHEN n % 20 IN (18, 19) THEN NULL ELSE (due_on + 1)::timestamp AT TIME ZONE 'UTC' END,
    CASE WHEN n % 20 = 19 THEN now() - interval '1 hour' END, '{}', status, '[]', 0, 1, 1, 1,
    now() - interval '1 hour', now() - interval '1 hour', now() - interval '1 hour'
FROM (
    SELECT n, CASE WHEN n % 20 = 19 THEN 's12' ELSE 's' || 1 + n % 8 END AS status,
        current_date + CASE WHEN n % 20 = 18 THEN -3 WHEN n % 10 < 6 THEN 10 + n % 10 ELSE 20 + n / 20 % 200 END AS due_on
    FROM generate_series(0, {orders} - 1) n) AS numbered;

INSERT INTO visits (order_id, sequence, status, status_name, entered_at, entered_on, due_on, due_at, due_source, rework,
    resumed, skipped, entered_by, entered_for, completed)
SELECT id, 1, status, status_name, entered_at, entered_on, due_on, due_at, due_source, false, false, false, 'bench', '', false
FROM orders ORDER BY id;

INSERT INTO history (order_id, sequence, at, kind, actor, acted_for, imported, detail)
SELECT id, 1, entered_at, 'CREATED', 'bench', '', false, json_build_object('assigned_department', assigned_department)
FROM orders ORDER BY id;

INSERT INTO alerts (order_id, visit_sequence, rule, due_at, fired_at)
SELECT id, 1, 'OVERDUE', due_at, now() FROM orders WHERE number LIKE 'A%' AND closed_at IS NULL AND next_alarm_at IS NULL;

SET session_replication_role = origin;
