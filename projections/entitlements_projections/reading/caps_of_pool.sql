-- caps_of_pool --
-- The caps of members with what they have drawn in the period under way, and what their reservations hold.
select
    c.workspace_id, c.subject_id, c.resource_key, c.amount, coalesce(c.period, m.period) as period, c.capped_at, c.actor,
    case when coalesce(c.drawn_from <= n.at, true) and coalesce(n.at < c.drawn_until, true) then c.drawn else 0 end as drawn,
    case when n.at < c.drawn_until then c.drawn_until end as resets_at, c.period as own_period, n.at, n.time_zone,
    (
        select coalesce(sum(h.held), 0)::bigint from pool_reservations h
        where h.pool_id = c.pool_id and h.resource_key = c.resource_key and h.workspace_id = c.workspace_id
            and c.subject_id in ('', h.subject_id) and h.status = 'held' and h.expires_at > n.at
    ) as reserved
from (
    select pool_id, time_zone, case when backfilling then clock else %(at)s::timestamptz end as at from resource_pools where pool_id = %(pool_id)s
) n
join member_caps c on c.pool_id = n.pool_id and c.amount is not null and c.override_id = ''
left join numeric_entitlements m on m.pool_id = c.pool_id and m.resource_key = c.resource_key
order by c.workspace_id, c.subject_id, c.resource_key;
