-- usages_under_ids --
-- What pools of an organization have recorded under usage ids in a day: whose, of which key and how much.
select e.usage_id, coalesce(e.workspace_id, '') as workspace_id, e.resource_key, sum(e.quantity)::bigint as quantity
from usage_events e join resource_pools p using (pool_id)
where e.usage_id = any(%(usage_ids)s::text[]) and p.organization_id = %(organization_id)s
    and e.mode in ('strict', 'report') and e.recorded_at > now() - interval '1 day'
group by e.pool_id, e.version, e.line, e.usage_id, e.workspace_id, e.resource_key;
