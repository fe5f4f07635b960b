-- busiest_customers --
-- The workspaces that used most of a key, and how much of it lay above a limit.
select
    workspace_id,
    sum(quantity)::bigint as consumed,
    sum(overage)::bigint as overage,
    count(*) as lines,
    max(occurred_at) as last_used_at
from usage_events
where resource_key = %(resource_key)s and workspace_id is not null
    and (%(since)s::timestamptz is null or occurred_at >= %(since)s)
    and (%(until)s::timestamptz is null or occurred_at < %(until)s)
group by workspace_id
order by consumed desc, workspace_id
limit %(count)s;
