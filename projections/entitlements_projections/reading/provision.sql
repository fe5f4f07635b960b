-- provision --
-- A provision of a pool, with the organization that the pool is of.
select v.set_id, r.organization_id
from resource_pools r left join pool_provisions v on v.pool_id = r.pool_id and v.provision_id = %(provision_id)s
where r.pool_id = %(pool_id)s;
