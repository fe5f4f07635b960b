-- sets --
-- Versions of entitlement sets, each with the keys that it has rules for, and whether it is the newest.
select
    s.set_id, s.set_version, s.name, s.ladder, s.rung, s.inheritance, s.defined_at, s.actor,
    not exists (
        select from entitlement_sets n where n.set_id = s.set_id and n.set_version > s.set_version
    ) as is_newest,
    array(
        select distinct r.resource_key from entitlement_set_rules r
        where r.set_id = s.set_id and r.set_version = s.set_version
        order by r.resource_key
    ) as resource_keys
from entitlement_sets s;
