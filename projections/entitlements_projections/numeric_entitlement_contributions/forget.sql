-- forget --
-- Takes the old list away; every change carries the full new one.
delete from numeric_entitlement_contributions t
using staged_restacked_entitlements s
where t.pool_id = s.pool_id and t.resource_key = s.resource_key;
