-- followers_behind --
-- Provisions that follow their set and confer an older version of it than the newest, by pool and provision.
select p.pool_id, p.provision_id, p.set_id, s.set_version
from (select set_id, max(set_version) as set_version from entitlement_sets group by set_id) s
join pool_provisions p on p.set_id = s.set_id and p.set_version < s.set_version
join resource_pools r using (pool_id)
where p.follows and p.status <> 'ended' and r.status <> 'closed' and not r.backfilling
    and (p.pool_id, p.provision_id) > (%(after_pool)s, %(after_id)s)
order by p.pool_id, p.provision_id
limit %(count)s;
