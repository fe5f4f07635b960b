-- stage_entitlement_set_parents --
-- Takes the parents of one batch's set versions by COPY.
create temporary table if not exists staged_entitlement_set_parents (
    set_id text,
    set_version integer,
    position integer,
    parent_id text,
    parent_version integer
);
