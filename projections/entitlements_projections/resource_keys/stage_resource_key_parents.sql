-- stage_resource_key_parents --
-- Takes the parents of the keys that one batch defines by COPY.
create temporary table if not exists staged_resource_key_parents (
    resource_key text,
    position integer,
    parent_key text,
    version bigint
);
