-- stage_restacked_entitlements --
-- Takes the pools and keys whose contributions are replaced.
create temporary table if not exists staged_restacked_entitlements (
    pool_id text,
    resource_key text
);
