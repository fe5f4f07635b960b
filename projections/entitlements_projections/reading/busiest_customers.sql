-- busiest_customers --
-- The workspaces of all organizations that used most of a key, and how much of it lay above a limit.
select
    p.organization_id,
    u.workspace_id,
    sum(quantity)::bigint as consumed,
    sum(overage)::bigint as overage,
    count(*) as lines,
    max(occurred_at) as last_used_at
from usage_events u join resource_pools p using (pool_id)
where u.resource_key = %(resource_key)s and u.workspace_id is not null
    and (%(since)s::timestamptz is null or occurred_at >= %(since)s)
    and (%(until)s::timestamptz is null or occurred_at < %(until)s)
group by p.organization_id, u.workspace_id
order by consumed desc, p.organization_id, u.workspace_id
limit %(count)s;
