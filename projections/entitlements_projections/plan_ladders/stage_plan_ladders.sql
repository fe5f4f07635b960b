-- stage_plan_ladders --
-- Takes the ladders of one batch by COPY; one that was only named has no description and version 0.
create temporary table if not exists staged_plan_ladders (
    ladder text,
    name text,
    rungs jsonb,
    defined_at timestamptz,
    actor text,
    version bigint
);
