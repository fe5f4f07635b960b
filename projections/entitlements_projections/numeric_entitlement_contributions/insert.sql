-- insert --
-- Puts the new list in its place. It follows `forget` in the same transaction, so nothing can be there.
insert into numeric_entitlement_contributions (
    pool_id, resource_key, provision_id, position, included_limit, soft_limit, hard_limit, carried, consumed, kept, recurs, version
)
select pool_id, resource_key, provision_id, position, included_limit, soft_limit, hard_limit, carried, consumed, kept, recurs, version
from staged_numeric_entitlement_contributions;
