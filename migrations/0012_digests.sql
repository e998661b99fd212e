-- Why: what was gathered for a person is told in one message, if it still holds then. Whether it holds is asked when a message goes
-- on the wire and when it becomes a line of a digest: one truth, here. plpgsql, since it keeps its plans for the session, and the
-- question is asked for every message.
CREATE FUNCTION message_holds(
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
              AND ((o.acknowledged ->> 'visit')::integer IS DISTINCT FROM o.visit_sequence
                  OR (o.acknowledged ->> 'until')::timestamptz <= at));
    WHEN 'STALE' THEN
        RETURN EXISTS (
            SELECT FROM orders o
            WHERE o.id = of_order AND o.visit_sequence = of_visit AND o.closed_at IS NULL AND o.updated_at <= decided_at);
    WHEN 'DUE_SOON' THEN
        RETURN EXISTS (
            SELECT FROM orders o
            WHERE o.id = of_order AND o.visit_sequence = of_visit AND o.closed_at IS NULL AND o.due_at = due AND o.due_at > at);
    WHEN 'TASK' THEN
        -- As long as it is open, and whom it was given to has it.
        RETURN EXISTS (
            SELECT FROM tasks t
            WHERE t.id = (facts #>> '{Task,task_id}')::uuid AND t.state = 'OPEN'
              AND t.assigned_user IS NOT DISTINCT FROM facts #>> '{Task,user}'
              AND (t.assigned_user IS NOT NULL
                  OR t.assigned_department IS NOT DISTINCT FROM facts #>> '{Task,department}'));
    WHEN 'OVERDUE_DIGEST' THEN
        -- As long as one of its orders is still overdue, or was only counted.
        RETURN (facts #>> '{OverdueDigest,more}')::bigint > 0 OR EXISTS (
            SELECT FROM json_array_elements(facts #> '{OverdueDigest,orders}') f
            JOIN orders o ON o.id = (f ->> 'order_id')::uuid
            WHERE o.closed_at IS NULL AND o.due_at = (f ->> 'due_at')::timestamptz);
    ELSE
        RETURN true;
    END CASE;
END $$;

-- What waits for a digest, in the order in which it was decided.
CREATE INDEX outbox_gathered ON outbox (address, id) WHERE state = 'GATHERED';
