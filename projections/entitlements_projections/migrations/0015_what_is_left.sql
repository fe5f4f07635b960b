-- What the rules ask beside limits and totals: what credits and on-demand payers bear at the present rate and price, what members
-- drew, what reservations hold of credits and of spending. With it a reader decides as the engine does (domain/cover.py, domain/members.py).

alter table numeric_entitlements
    add column credit_rate bigint not null default 0,
    add column credit_per bigint not null default 1,
    add column credit_quantity bigint not null default 0,
    add column credit_units bigint not null default 0,
    add column begins_with bigint not null default 0,
    add column uncounted bigint not null default 0,
    add column moved_start timestamptz,
    add column moved_end timestamptz;

comment on column numeric_entitlements.counts_from is 'Version of the pool from which usage totals count; older ones precede a reset or belong to another period.';
comment on column numeric_entitlements.credit_rate is 'Credit units charged per credit_per of quantity.';
comment on column numeric_entitlements.credit_per is 'Quantity that costs credit_rate credit units.';
comment on column numeric_entitlements.credit_quantity is 'Quantity of the current period charged to credits at the current rate.';
comment on column numeric_entitlements.credit_units is 'Credit units charged for credit_quantity; the total is rounded, not each charge.';
comment on column numeric_entitlements.uncounted is 'The part of the current period''s consumption that does not count against the limit, apart from what is charged to credits and payers.';
comment on column numeric_entitlements.begins_with is 'Preserved overage at the start of a period in which nothing is counted yet.';
comment on column numeric_entitlements.moved_start is 'Start of a period whose end moved with a change of the calendar; null: none.';
comment on column numeric_entitlements.moved_end is 'Its end now.';

alter table pool_ondemand_config
    add column spent bigint not null default 0,
    add column bought bigint not null default 0,
    add column charged bigint not null default 0;

comment on column pool_ondemand_config.spent is 'Spending in the current period, in minor units of the currency.';
comment on column pool_ondemand_config.bought is 'Quantity charged at the current price.';
comment on column pool_ondemand_config.charged is 'Total charged for bought, in minor units of the currency; the total is rounded, not each charge.';

alter table pool_reservations
    add column paid bigint not null default 0,
    add column credit_key text not null default '',
    add column credit_units bigint not null default 0,
    add column spending bigint not null default 0;

comment on column pool_reservations.paid is 'The part that credits or a payer would pay for; it does not count against the limit.';
comment on column pool_reservations.credit_key is 'The credit balance it also holds; empty: none.';
comment on column pool_reservations.credit_units is 'Credit units held now.';
comment on column pool_reservations.spending is 'On-demand spending held now, in minor units of the currency.';

create index pool_reservations_of_credits on pool_reservations (pool_id, credit_key) where status = 'held' and credit_key <> '';

alter table member_caps
    add column override_id text not null default '',
    add column time_zone text,
    add column drawn bigint not null default 0,
    add column drawn_from timestamptz,
    add column drawn_until timestamptz,
    add column counts_from bigint not null default 0,
    drop constraint member_caps_pkey,
    add primary key (pool_id, workspace_id, subject_id, resource_key, override_id);

comment on table member_caps is
    'Caps on what customers, and subjects in them, can use of a key per period, and what they used. Overrides with an amount count as caps.';
comment on column member_caps.amount is 'Maximum per period, in the smallest unit; null: the cap was removed.';
comment on column member_caps.override_id is 'The customer''s override that sets it; empty: a cap sets it.';
comment on column member_caps.time_zone is 'Time zone of its own period; null: no period of its own.';
comment on column member_caps.drawn is 'Quantity used from drawn_from until before drawn_until.';
comment on column member_caps.drawn_from is 'Start of the period of drawn; null: unbounded, or nothing was used.';
comment on column member_caps.drawn_until is 'End of the period of drawn, exclusive; null: unbounded, or nothing was used.';
comment on column member_caps.counts_from is 'Version of the pool from which usage counts.';

drop view workspace_entitlements;

-- Functions, because whoever asks says at which instant; they are planned as part of the query that calls them.
create function pool_entitlements(asked_at timestamptz) returns table (
    pool_id text, resource_key text, entitlement_type text, held boolean, pool_status text, stacking text,
    effective_limit bigint, soft_limit bigint, hard_limit bigint, period text, override_id text, over_allocated boolean,
    consumed bigint, elsewhere bigint, uncounted bigint, owed bigint, reserved bigint, remaining bigint,
    credit_key text, credit_rate bigint, credit_per bigint, credit_quantity bigint, credit_units bigint,
    period_start timestamptz, resets_at timestamptz, warned_at timestamptz, exceeded_at timestamptz, changed_at timestamptz,
    provision_ids text[], at timestamptz, time_zone text, anchor_at timestamptz
) language sql stable begin atomic
select
    -- A closed pool confers nothing, not even its defaults.
    n.pool_id, e.resource_key, e.entitlement_type, e.held and n.status <> 'closed', n.status, e.stacking,
    e.effective_limit, e.soft_limit, e.hard_limit, e.period, e.override_id, e.over_allocated,
    case when e.entitlement_type <> 'boolean' then coalesce(u.consumed, e.begins_with) end,
    case when e.entitlement_type <> 'boolean' then coalesce(u.elsewhere, 0) end,
    case when u.consumed is not null then e.uncounted else 0 end,
    case when e.entitlement_type <> 'boolean' then coalesce(u.owed, e.begins_with) end,
    case when e.entitlement_type <> 'boolean' then r.reserved end,
    -- greatest ignores null, and unlimited stays unlimited.
    case when e.effective_limit is not null then
        greatest(
            e.effective_limit - coalesce(u.consumed, e.begins_with) + coalesce(u.elsewhere, 0)
            + case when u.consumed is not null then e.uncounted else 0 end - r.reserved, 0)
    end,
    e.credit_key, e.credit_rate, e.credit_per, e.credit_quantity, e.credit_units,
    u.period_start, u.period_end, u.warned_at, u.exceeded_at, e.changed_at,
    e.provision_ids, n.at, n.time_zone, coalesce(e.anchor_at, case when e.anchored then n.anchor_at end)
from (
    -- The present of a pool in backfill is its own clock.
    select p.pool_id, p.status, p.time_zone, p.anchor_at, case when p.backfilling then p.clock else asked_at end as at
    from resource_pools p
) n
-- Lateral, so that each side is found by its pool.
join lateral (
    select
        m.pool_id, m.resource_key, m.entitlement_type, m.held, m.stacking, m.effective_limit, m.soft_limit, m.hard_limit, m.period,
        m.override_id, m.over_allocated, m.credit_key, m.credit_rate, m.credit_per, m.credit_quantity, m.credit_units,
        m.begins_with, m.uncounted, m.moved_start, m.moved_end, m.counts_from, m.anchored, m.anchor_at, m.changed_at,
        array(
            select c.provision_id from numeric_entitlement_contributions c
            where c.pool_id = m.pool_id and c.resource_key = m.resource_key and not c.kept order by c.position
        ) as provision_ids
    from numeric_entitlements m
    where m.pool_id = n.pool_id and (
        m.held or not exists (
            select from boolean_entitlements b where b.pool_id = m.pool_id and b.resource_key = m.resource_key and b.held))
    union all
    select
        b.pool_id, b.resource_key, 'boolean', b.held, b.stacking, null, null, null, null,
        '', false, null, 0, 1, 0, 0,
        0, 0, null, null, 0, false, null, b.changed_at, b.provision_ids
    from boolean_entitlements b
    where b.pool_id = n.pool_id and (
        b.held or not exists (
            select from numeric_entitlements m where m.pool_id = b.pool_id and m.resource_key = b.resource_key))
) e on true
left join lateral (
    select
        t.consumed, t.elsewhere, t.owed, t.warned_at, t.exceeded_at, t.period_start,
        case when t.period_start = e.moved_start then e.moved_end else t.period_end end as period_end
    from numeric_entitlement_usage t
    where t.pool_id = e.pool_id and t.resource_key = e.resource_key and t.version > e.counts_from
        and (
            (e.period is not null and t.period_start <= n.at
                and n.at < case when t.period_start = e.moved_start then e.moved_end else t.period_end end)
            or ((e.period is null or e.period = 'lifetime') and t.period_start is null)
        )
    order by t.version desc
    limit 1
) u on e.entitlement_type <> 'boolean'
left join lateral (
    select (
        coalesce((
            select sum(h.held - h.paid) from pool_reservations h
            where h.pool_id = e.pool_id and h.resource_key = e.resource_key and h.status = 'held' and h.expires_at > n.at), 0)
        + coalesce((
            select sum(h.credit_units) from pool_reservations h
            where h.pool_id = e.pool_id and h.credit_key = e.resource_key and h.credit_key <> '' and h.status = 'held'
                and h.expires_at > n.at), 0)
    )::bigint as reserved
) r on e.entitlement_type <> 'boolean';
end;

comment on function pool_entitlements is
    'What each pool has, or had (held = false), of each key at a given time, with quantities consumed, reserved and remaining.';

-- One place says in which order a workspace draws on its pools. Workspaces of one id in two organizations are two, each with a primary
-- pool of its own.
create view workspace_pools as
select
    organization_id, workspace_id, pool_id, role, is_primary,
    row_number() over (partition by organization_id, workspace_id order by is_primary desc, assigned_at, pool_id) as pool_order,
    may_overflow, assigned_at
from (
    select
        organization_id, workspace_id, pool_id, role, may_overflow, assigned_at,
        role = 'primary' and row_number() over (
            partition by organization_id, workspace_id, role order by assigned_at desc, pool_id
        ) = 1 as is_primary
    from pool_assignments
    where unassigned_at is null
) assigned;

comment on view workspace_pools is 'The pools of each customer, in the order in which usage draws on them.';
comment on column workspace_pools.organization_id is 'The organization that owns the pool. Customer ids are unique within an organization only.';
comment on column workspace_pools.workspace_id is 'The customer (`customer_id` in the API); its id is unique within the organization.';
comment on column workspace_pools.pool_id is 'The pool.';
comment on column workspace_pools.role is 'primary or secondary, as last assigned.';
comment on column workspace_pools.is_primary is 'True: the pool most recently assigned as primary. Older primaries count as secondary.';
comment on column workspace_pools.pool_order is 'Position of the pool among the customer''s, from 1: the primary first, then in the order of assignment.';
comment on column workspace_pools.may_overflow is 'Whether usage that does not fit here may draw on the customer''s next pools.';
comment on column workspace_pools.assigned_at is 'When it was assigned with this role.';

create function workspace_entitlements_at(asked_at timestamptz) returns table (
    organization_id text, workspace_id text, resource_key text,
    pool_id text, role text, is_primary boolean, pool_order bigint, may_overflow boolean, pool_status text,
    entitlement_type text, held boolean, stacking text,
    effective_limit bigint, soft_limit bigint, hard_limit bigint, period text,
    consumed bigint, elsewhere bigint, uncounted bigint, owed bigint, reserved bigint, remaining bigint,
    credit_key text, credit_rate bigint, credit_per bigint, credit_quantity bigint, credit_units bigint,
    on_demand boolean, payer text, currency text, unit_price bigint, price_per bigint, spending_cap bigint,
    spent bigint, spending_reserved bigint, bought bigint, charged bigint,
    cap bigint, cap_period text, cap_drawn bigint, cap_reserved bigint, cap_resets_at timestamptz,
    workspace_override_id text, pool_override_id text, over_allocated boolean,
    period_start timestamptz, resets_at timestamptz, at timestamptz, time_zone text, anchor_at timestamptz,
    changed_at timestamptz, provision_ids text[]
) language sql stable begin atomic
select
    a.organization_id, a.workspace_id, e.resource_key, e.pool_id, a.role, a.is_primary, a.pool_order, a.may_overflow, e.pool_status,
    e.entitlement_type, e.held and coalesce(o.allowed, true), e.stacking,
    e.effective_limit, e.soft_limit, e.hard_limit, e.period,
    e.consumed, e.elsewhere, e.uncounted, e.owed, e.reserved, e.remaining,
    e.credit_key, e.credit_rate, e.credit_per, e.credit_quantity, e.credit_units,
    coalesce(d.enabled, false), d.payer, d.currency, d.unit_price, d.price_per, d.spending_cap,
    d.spent, held_back.spending, d.bought, d.charged,
    c.amount, case when c.amount is not null then coalesce(c.period, e.period) end,
    case when c.amount is not null then
        case when coalesce(c.drawn_from <= e.at, true) and coalesce(e.at < c.drawn_until, true) then c.drawn else 0 end
    end,
    case when c.amount is not null then held_back.of_workspace end,
    case when e.at < c.drawn_until then c.drawn_until end,
    o.override_id, nullif(e.override_id, ''), e.over_allocated,
    e.period_start, e.resets_at, e.at, e.time_zone, e.anchor_at,
    e.changed_at, e.provision_ids
from workspace_pools a
join lateral pool_entitlements(asked_at) e on e.pool_id = a.pool_id
left join pool_ondemand_config d on d.pool_id = e.pool_id and d.resource_key = e.resource_key
left join lateral (
    select
        coalesce(sum(h.spending), 0)::bigint as spending,
        coalesce(sum(h.held) filter (where h.workspace_id = a.workspace_id), 0)::bigint as of_workspace
    from pool_reservations h
    where h.pool_id = e.pool_id and h.resource_key = e.resource_key and h.status = 'held' and h.expires_at > e.at
) held_back on true
left join lateral (
    select v.override_id, v.allowed from pool_overrides v
    where v.pool_id = e.pool_id and v.resource_key = e.resource_key and v.workspace_id = a.workspace_id
        and v.status = 'set' and (v.expires_at is null or v.expires_at > e.at)
    order by v.version desc
    limit 1
) o on true
-- An override of the workspace outranks its cap, with an amount or without (domain/members.py).
left join member_caps c on c.pool_id = e.pool_id and c.workspace_id = a.workspace_id and c.subject_id = ''
    and c.resource_key = e.resource_key and c.override_id = coalesce(o.override_id, '');
end;

comment on function workspace_entitlements_at is 'The view workspace_entitlements at a given time.';

create view workspace_entitlements as select * from workspace_entitlements_at(now());

comment on view workspace_entitlements is
    'What each customer has, or had (held = false), of each key from each of its pools now, and what remains. '
    'For a pool in backfill, now is its clock.';
comment on column workspace_entitlements.organization_id is 'The organization that owns the pool. Customer ids are unique within an organization only.';
comment on column workspace_entitlements.workspace_id is 'The customer (`customer_id` in the API); its id is unique within the organization.';
comment on column workspace_entitlements.resource_key is 'The resource key, such as api_calls.';
comment on column workspace_entitlements.pool_id is 'The pool.';
comment on column workspace_entitlements.role is 'primary or secondary, as last assigned.';
comment on column workspace_entitlements.is_primary is 'True: the pool most recently assigned as primary. Older primaries count as secondary.';
comment on column workspace_entitlements.pool_order is 'Position of the pool among the customer''s, from 1: the primary first, then in the order of assignment.';
comment on column workspace_entitlements.may_overflow is 'Whether usage that does not fit here may draw on the customer''s next pools.';
comment on column workspace_entitlements.pool_status is 'open, suspended or closed.';
comment on column workspace_entitlements.entitlement_type is 'boolean, limit, quota or credit.';
comment on column workspace_entitlements.held is 'False: the pool no longer has it, or an override removes it from this customer.';
comment on column workspace_entitlements.stacking is 'How contributions combine: sum, max, min or override; for a boolean any or override.';
comment on column workspace_entitlements.effective_limit is 'Included quantity in the smallest unit of the key; null: unlimited, or a feature.';
comment on column workspace_entitlements.soft_limit is 'Warning threshold; null: none.';
comment on column workspace_entitlements.hard_limit is 'Strict usage above this is refused; null: never.';
comment on column workspace_entitlements.period is 'How often a quota resets, such as day or month; null: never.';
comment on column workspace_entitlements.consumed is 'Quantity consumed in the current period, or held of a limit, for the whole pool.';
comment on column workspace_entitlements.elsewhere is 'The part of what is consumed that is charged to credits or an on-demand payer.';
comment on column workspace_entitlements.uncounted is 'The part of what is consumed that does not count against the limit, apart from what is charged elsewhere.';
comment on column workspace_entitlements.owed is 'Overage of this and earlier periods that is neither paid nor forgiven.';
comment on column workspace_entitlements.reserved is 'Quantity held by reservations, for the whole pool.';
comment on column workspace_entitlements.remaining is 'Included quantity that remains, for the whole pool; null: unlimited, or a feature.';
comment on column workspace_entitlements.credit_key is 'The credit balance that pays for usage above the included amount; null: none.';
comment on column workspace_entitlements.credit_rate is 'Credit units charged per credit_per of quantity.';
comment on column workspace_entitlements.credit_per is 'Quantity that costs credit_rate credit units.';
comment on column workspace_entitlements.credit_quantity is 'Quantity of the period charged to credits at the current rate.';
comment on column workspace_entitlements.credit_units is 'Credit units charged for credit_quantity.';
comment on column workspace_entitlements.on_demand is 'Whether usage that is neither included nor paid by credits is charged to a payer, up to spending_cap.';
comment on column workspace_entitlements.payer is 'The billing account charged for on-demand usage; empty: that of the pool; null: on-demand is not configured.';
comment on column workspace_entitlements.currency is 'ISO 4217 code of the currency of unit_price, spending_cap and spent; empty: not set.';
comment on column workspace_entitlements.unit_price is 'Price of price_per of quantity, in minor units of the currency.';
comment on column workspace_entitlements.price_per is 'See unit_price.';
comment on column workspace_entitlements.spending_cap is 'The most that may be spent in a period, in minor units; null: no cap.';
comment on column workspace_entitlements.spent is 'Spending in the current period, in minor units of the currency.';
comment on column workspace_entitlements.spending_reserved is 'Spending held by reservations, in minor units of the currency.';
comment on column workspace_entitlements.bought is 'Quantity charged at the current price.';
comment on column workspace_entitlements.charged is 'Total charged for bought, in minor units of the currency.';
comment on column workspace_entitlements.cap is 'Maximum this customer can use per cap_period, by its override or cap; null: no cap.';
comment on column workspace_entitlements.cap_period is 'Period of the cap: its own, or that of the key; null: no cap, or one without a period.';
comment on column workspace_entitlements.cap_drawn is 'Quantity used in the current period of the cap; cap_reserved counts as used too.';
comment on column workspace_entitlements.cap_reserved is 'Quantity held by reservations of this customer; null: no cap.';
comment on column workspace_entitlements.cap_resets_at is 'End of the current period of the cap; null: nothing was used in it, or it has no end.';
comment on column workspace_entitlements.workspace_override_id is 'The override of this customer in force; null: none.';
comment on column workspace_entitlements.pool_override_id is 'The override of the whole pool in force; null: none.';
comment on column workspace_entitlements.over_allocated is 'True: more of a limit is allocated than there is.';
comment on column workspace_entitlements.period_start is 'Start of the current period; null: nothing was counted in it.';
comment on column workspace_entitlements.resets_at is 'End of the current period; null: nothing was counted in it, so the calendar determines it.';
comment on column workspace_entitlements.at is 'The time of this row: now, or the clock of a pool in backfill.';
comment on column workspace_entitlements.time_zone is 'Time zone of its periods.';
comment on column workspace_entitlements.anchor_at is 'From when anchored periods are counted; null: calendar periods.';
comment on column workspace_entitlements.changed_at is 'When the effective value last changed.';
comment on column workspace_entitlements.provision_ids is 'The provisions that contribute, in burn order.';
