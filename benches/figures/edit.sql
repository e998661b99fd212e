WITH moved AS MATERIALIZED (
    SELECT o.id, o.visit_sequence, o.history_sequence + 1 AS sequence, o.version + 1 AS version
    FROM orders o WHERE o.order_type = 'edited' AND o.status = $1 ORDER BY o.id FOR UPDATE),
updated AS (
    UPDATE orders o SET status = $2, status_name = $2, visit_sequence = o.visit_sequence + 1, entered_at = now(),
        entered_on = current_date, cycle_status = $2, version = m.version, revision = o.revision + 1,
        history_sequence = m.sequence, updated_at = now(), touched_at = clock_timestamp()
    FROM moved m WHERE o.id = m.id),
closed AS (
    UPDATE visits v SET left_at = now(), completed_on = current_date
    FROM moved m WHERE v.order_id = m.id AND v.sequence = m.visit_sequence
    RETURNING v.order_id),
opened AS (
    INSERT INTO visits (order_id, sequence, status, status_name, entered_at, entered_on, rework, resumed, skipped, entered_by,
        entered_for, completed)
    SELECT id, visit_sequence + 1, $2, $2, now(), current_date, false, false, false, 'local', '', false FROM moved),
recorded AS (
    INSERT INTO history (order_id, sequence, at, kind, actor, acted_for, imported, detail)
    SELECT id, sequence, now(), 'CYCLE_EDITED', 'local', '', false, $3::json FROM moved),
fed AS (
    INSERT INTO changes (order_id, version, at) SELECT id, version, now() FROM moved)
SELECT count(*) FROM closed
