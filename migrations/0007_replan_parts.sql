-- Why: one lane at a time leaves the daemon waiting for the database and the database for the daemon. A recomputation is cut into
-- parts of the ids when it begins; a part is locked, looked at and moved on as the whole was before, so several lanes and daemons
-- share the work, and killed anywhere each part goes on where its last batch ended.
--
-- A recomputation that was under way before this table was there has no parts: they are cut from its `after_id` on. What a program
-- of the version before does meanwhile to the row itself is done twice, which changes nothing the second time.

CREATE TABLE replan_parts (
    replan        bigint NOT NULL CONSTRAINT replan_parts_replan_fkey REFERENCES replans (id),
    part          integer NOT NULL CONSTRAINT replan_parts_part_range CHECK (part >= 1),
    -- The last order that was looked at, and the last one that belongs to the part.
    after_id      uuid NOT NULL,
    until_id      uuid NOT NULL,
    examined      bigint NOT NULL DEFAULT 0,
    changed       bigint NOT NULL DEFAULT 0,
    newly_overdue bigint NOT NULL DEFAULT 0,
    in_time_again bigint NOT NULL DEFAULT 0,
    failed        bigint NOT NULL DEFAULT 0,
    finished_at   timestamptz,
    PRIMARY KEY (replan, part),
    CONSTRAINT replan_parts_ascend CHECK (after_id <= until_id)
) WITH (fillfactor = 50);
