-- What workspaces have, from each of their pools. A view: a table would be written for every workspace of a pool whenever the pool
-- moves, a thousand rows for one line of usage, and would be wrong whenever time alone ends a period or an override. Each of
-- its parts is found by an index.

create index pool_overrides_of_workspace on pool_overrides (pool_id, resource_key, workspace_id) where status = 'set';

create view workspace_entitlements as
with present as (
    select
        a.workspace_id, a.pool_id, a.role, a.may_overflow, a.assigned_at, p.status as pool_status, p.time_zone, p.anchor_at,
        row_number() over (
            partition by a.workspace_id order by a.pool_id <> a.first_pool_id, a.assigned_at, a.pool_id
        ) as pool_order,
        case when p.backfilling then p.clock else now() end as at
    from (
        select
            *,
            first_value(pool_id) over (
                partition by workspace_id order by role <> 'primary', case when role = 'primary' then assigned_at end desc, pool_id
            ) as first_pool_id
        from pool_assignments
        where unassigned_at is null
    ) a
    join resource_pools p using (pool_id)
)
select
    n.workspace_id, e.resource_key, n.pool_id, n.role, n.pool_order, n.may_overflow, n.pool_status, e.entitlement_type,
    coalesce(o.allowed, true) as held,
    e.effective_limit, e.soft_limit, e.hard_limit, e.period,
    coalesce(u.consumed, 0) as consumed,
    coalesce(u.elsewhere, 0) as elsewhere,
    coalesce(r.reserved, 0)::bigint as reserved,
    -- greatest ignores null, and unlimited stays unlimited.
    case when e.effective_limit is not null then
        greatest(e.effective_limit - coalesce(u.consumed, 0) + coalesce(u.elsewhere, 0) - coalesce(r.reserved, 0), 0)::bigint
    end as remaining,
    -- An override of the workspace outranks its cap, with an amount or without (domain/members.py).
    case when o.override_id is not null then o.amount else c.amount end as cap,
    case when o.override_id is not null then e.period else coalesce(c.period, e.period) end as cap_period,
    o.override_id as workspace_override_id,
    nullif(e.override_id, '') as pool_override_id,
    e.over_allocated,
    u.period_start, u.period_end as resets_at,
    n.at, n.time_zone, coalesce(e.anchor_at, case when e.anchored then n.anchor_at end) as anchor_at,
    e.changed_at
from present n
-- Lateral, so that each side is found by its pool.
join lateral (
    select
        pool_id, resource_key, entitlement_type, effective_limit, soft_limit, hard_limit, period, anchored, anchor_at,
        counts_from, over_allocated, override_id, changed_at
    from numeric_entitlements
    where pool_id = n.pool_id and held
    union all
    select pool_id, resource_key, 'boolean', null, null, null, null, false, null, 0, false, '', changed_at
    from boolean_entitlements
    where pool_id = n.pool_id and held
) e on true
left join lateral (
    select t.* from numeric_entitlement_usage t
    where t.pool_id = e.pool_id and t.resource_key = e.resource_key and t.version > e.counts_from
        and (
            (e.period is not null and t.period_start <= n.at and n.at < t.period_end)
            or ((e.period is null or e.period = 'lifetime') and t.period_start is null)
        )
    order by t.version desc
    limit 1
) u on e.entitlement_type <> 'boolean'
left join lateral (
    select sum(h.held) as reserved from pool_reservations h
    where h.pool_id = e.pool_id and h.resource_key = e.resource_key and h.status = 'held' and h.expires_at > n.at
) r on e.entitlement_type <> 'boolean'
left join lateral (
    select v.override_id, v.allowed, v.amount from pool_overrides v
    where v.pool_id = e.pool_id and v.resource_key = e.resource_key and v.workspace_id = n.workspace_id
        and v.status = 'set' and (v.expires_at is null or v.expires_at > n.at)
    order by v.version desc
    limit 1
) o on true
left join member_caps c on c.pool_id = e.pool_id and c.workspace_id = n.workspace_id and c.subject_id = ''
    and c.resource_key = e.resource_key;

comment on view workspace_entitlements is
    'What each customer has of each key from each of its pools now. For a pool in backfill, now is its clock.';
comment on column workspace_entitlements.held is 'False: the pool has it, but an override removes it from this customer.';
comment on column workspace_entitlements.pool_order is 'Position of the pool among the customer''s, from 1: its primary.';
comment on column workspace_entitlements.elsewhere is 'The part of what is consumed that is charged to credits or an on-demand payer.';
comment on column workspace_entitlements.remaining is 'Included quantity that remains, for the whole pool; null: unlimited, or a feature.';
comment on column workspace_entitlements.cap is 'Maximum this customer can use per cap_period, by its override or cap; null: no cap.';
comment on column workspace_entitlements.resets_at is 'End of the current period; null: nothing was counted in it, so the calendar determines it.';
