-- Why: an order may change its type, and its visits before that were in statuses of the type it had then. Whether a status was ever
-- used, and so its id must not be used again, is asked of the type that a visit belonged to. The trigger writes it down, so that no
-- program can forget to. A status that is gone also says which one took its orders: a closed order that is reopened follows it.

CREATE TABLE past_types (
    order_id         uuid NOT NULL CONSTRAINT past_types_order_fkey REFERENCES orders (id),
    -- Visits up to this one, from the row before on, were of this type.
    through_sequence integer NOT NULL,
    order_type       text NOT NULL CONSTRAINT past_types_order_type_fkey REFERENCES order_types (id),
    PRIMARY KEY (order_id, through_sequence)
);
CREATE INDEX past_types_order_type ON past_types (order_type);
CREATE TRIGGER past_types_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON past_types
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION keep_past_type() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO past_types (order_id, through_sequence, order_type) VALUES (OLD.id, OLD.visit_sequence, OLD.order_type);
    RETURN NULL;
END $$;
CREATE TRIGGER orders_past_type AFTER UPDATE OF order_type ON orders FOR EACH ROW
    WHEN (OLD.order_type IS DISTINCT FROM NEW.order_type) EXECUTE FUNCTION keep_past_type();

-- What was changed before this table was there.
INSERT INTO past_types (order_id, through_sequence, order_type)
SELECT h.order_id, (h.detail -> 'closed' ->> 'sequence')::integer, c.change ->> 'before'
FROM history h CROSS JOIN LATERAL jsonb_array_elements(h.detail::jsonb -> 'changes') AS c (change)
WHERE h.kind = 'TYPE_CHANGED' AND c.change ->> 'field' = 'order_type'
ON CONFLICT DO NOTHING;

ALTER TABLE retired_statuses ADD COLUMN replacement text;
