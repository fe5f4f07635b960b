-- overrides_of_pool --
-- The overrides that hold at an instant, of the pool and of its workspaces, the newest last, with what those of workspaces have drawn.
select v.*, case when c.amount is not null then
    case when coalesce(c.drawn_from <= n.at, true) and coalesce(n.at < c.drawn_until, true) then c.drawn else 0 end
end as drawn,
exists (select from boolean_entitlements b where b.pool_id = v.pool_id and b.resource_key = v.resource_key) as is_feature
from (
    select pool_id, case when backfilling then clock else %(at)s::timestamptz end as at from resource_pools where pool_id = %(pool_id)s
) n
join pool_overrides v on v.pool_id = n.pool_id and v.status = 'set' and (v.expires_at is null or v.expires_at > n.at)
left join member_caps c on c.pool_id = v.pool_id and c.workspace_id = v.workspace_id and c.subject_id = ''
    and c.resource_key = v.resource_key and c.override_id = v.override_id
order by v.version;
