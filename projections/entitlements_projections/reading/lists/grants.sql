-- grants --
-- Grants with the set that each confers: a grant's provision has its id.
select
    g.pool_id, g.grant_id, g.organization_id, g.status, v.set_id, v.set_version, v.quantity, g.reason, g.actor, g.issued_at,
    g.starts_at, g.ends_at, g.over_at, g.over_reason, g.over_actor
from grants g
left join pool_provisions v on v.pool_id = g.pool_id and v.provision_id = g.grant_id;
