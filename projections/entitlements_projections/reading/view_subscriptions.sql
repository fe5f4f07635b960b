-- view_subscriptions --
-- Of each of given pools the subscription on the highest rung; an active one before a suspended one.
select distinct on (v.pool_id)
    v.pool_id, v.provision_id, v.source, v.source_id, v.set_id, v.set_version, v.status, v.quantity, v.starts_at, v.ends_at,
    l.ladder, l.rung
from pool_provisions v
left join pool_provision_ladders l using (pool_id, provision_id)
where v.pool_id = any(%(pool_ids)s::text[]) and v.source = 'subscription' and v.status in ('active', 'suspended')
order by v.pool_id, v.status, l.rung desc nulls last, v.starts_at desc, v.provision_id;
