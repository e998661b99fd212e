WITH due AS MATERIALIZED (
    SELECT o.id, o.number, o.visit_sequence, o.history_sequence + 1 AS sequence, o.due_at, o.version + 1 AS version, o.updated_at,
        o.assigned_user, o.assigned_department
    FROM orders o WHERE o.next_alarm_at <= $1 ORDER BY o.next_alarm_at LIMIT 1000 FOR UPDATE SKIP LOCKED),
told AS MATERIALIZED (
    SELECT d.*, u.id AS user_id, u.display_name, u.email FROM due d JOIN users u ON u.id = d.assigned_user
    UNION ALL
    SELECT d.*, u.id, u.display_name, u.email FROM due d
    JOIN department_managers m ON m.department = d.assigned_department JOIN users u ON u.id = m.manager),
updated AS (
    UPDATE orders o SET next_alarm_at = NULL, version = d.version, history_sequence = d.sequence FROM due d WHERE o.id = d.id),
alerted AS (
    INSERT INTO alerts (order_id, visit_sequence, rule, due_at, fired_at) SELECT id, visit_sequence, 'OVERDUE', due_at, $1 FROM due),
recorded AS (
    INSERT INTO history (order_id, sequence, at, kind, actor, acted_for, imported, detail)
    SELECT id, sequence, $1, 'OVERDUE', 'andon', '', false, $2::json FROM due),
queued AS (
    INSERT INTO outbox (id, dedup_key, kind, user_id, recipient_name, address, order_id, order_number, visit_sequence, due_at,
        facts, next_attempt_at, created_at)
    SELECT (lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0') || substr(md5(random()::text), 1, 20))::uuid,
        'overdue/' || id || '/' || visit_sequence || '/' || (extract(epoch FROM due_at) * 1e6)::bigint || '/' || email,
        'OVERDUE', user_id, display_name, email, id, number, visit_sequence, due_at, $3::json, $1, $1
    FROM told),
fed AS (
    INSERT INTO changes (order_id, version, at) SELECT id, version, updated_at FROM due)
SELECT count(*) FROM due
