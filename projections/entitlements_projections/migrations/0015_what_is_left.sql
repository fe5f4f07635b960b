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

comment on column numeric_entitlements.counts_from is 'Usage totals of older versions of the pool do not count: it began to count anew here, by a reset or in another period.';
comment on column numeric_entitlements.credit_rate is 'Credit units for every credit_per of quantity.';
comment on column numeric_entitlements.credit_per is 'See credit_rate.';
comment on column numeric_entitlements.credit_quantity is 'What credits bear of the period under way at the present rate.';
comment on column numeric_entitlements.credit_units is 'The credit units that this took; rounding is over their sum.';
comment on column numeric_entitlements.uncounted is 'The part of what is consumed in the period under way that takes nothing from the limit, beside what credits and payers bear.';
comment on column numeric_entitlements.begins_with is 'What a period begins with in which nothing is counted yet: overage that was preserved at the reset.';
comment on column numeric_entitlements.moved_start is 'Start of a period whose end another calendar has moved; null: none.';
comment on column numeric_entitlements.moved_end is 'Its end now.';

alter table pool_ondemand_config
    add column spent bigint not null default 0,
    add column bought bigint not null default 0,
    add column charged bigint not null default 0;

comment on column pool_ondemand_config.spent is 'What was spent in the period under way, in minor units.';
comment on column pool_ondemand_config.bought is 'The quantity that was charged at the present price.';
comment on column pool_ondemand_config.charged is 'For how much; rounding is over their sum.';

alter table pool_reservations
    add column paid bigint not null default 0,
    add column credit_key text not null default '',
    add column credit_units bigint not null default 0,
    add column spending bigint not null default 0;

comment on column pool_reservations.paid is 'What of it credits or a payer would bear: it does not count against the limit.';
comment on column pool_reservations.credit_key is 'The credits it holds beside; empty: none.';
comment on column pool_reservations.credit_units is 'So many units of them are held now.';
comment on column pool_reservations.spending is 'So much on-demand spending is held now, in minor units.';

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
    'What workspaces, and subjects in them, can draw of a key in a period, and what they drew: by caps, and by overrides with an amount.';
comment on column member_caps.amount is 'The most it can draw in a period; null: it was lifted.';
comment on column member_caps.override_id is 'The override of the workspace that says so; empty: a cap does.';
comment on column member_caps.time_zone is 'By which time zone its own period is counted; null: it has none.';
comment on column member_caps.drawn is 'What was drawn in the period from drawn_from until before drawn_until.';
comment on column member_caps.drawn_from is 'Null: from the beginning, or nothing was drawn.';
comment on column member_caps.drawn_until is 'Null: for ever, or nothing was drawn.';
comment on column member_caps.counts_from is 'Version of the pool from which on it counts.';

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
    'What each pool has, or had once (not held), of each key at an instant, with what is consumed, reserved and left of what is included.';

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

comment on view workspace_pools is 'The pools of each workspace of each organization, in the order in which it draws on them.';
comment on column workspace_pools.organization_id is 'The organization that owns the pool. Workspace ids are unique within an organization only.';
comment on column workspace_pools.workspace_id is 'The workspace (the customer), by its id within the organization.';
comment on column workspace_pools.pool_id is 'The pool.';
comment on column workspace_pools.role is 'primary or secondary, as it was assigned last.';
comment on column workspace_pools.is_primary is 'True: the one most recently assigned as primary. An older primary counts as secondary.';
comment on column workspace_pools.pool_order is 'Place of the pool among those of the workspace, from 1: the primary first, then as they were assigned.';
comment on column workspace_pools.may_overflow is 'Whether usage without room here may draw on later pools of the workspace.';
comment on column workspace_pools.assigned_at is 'When it was assigned in this role.';

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

comment on function workspace_entitlements_at is 'As the view workspace_entitlements, at an instant.';

create view workspace_entitlements as select * from workspace_entitlements_at(now());

comment on view workspace_entitlements is
    'What each workspace of each organization has, or had once (not held), of each key from each of its pools now, and what is left of it; '
    'the present of a pool in backfill is its clock.';
comment on column workspace_entitlements.organization_id is 'The organization that owns the pool. Workspace ids are unique within an organization only.';
comment on column workspace_entitlements.workspace_id is 'The workspace (the customer), by its id within the organization.';
comment on column workspace_entitlements.resource_key is 'The key, such as api_calls.';
comment on column workspace_entitlements.pool_id is 'The pool it has it from.';
comment on column workspace_entitlements.role is 'primary or secondary, as the workspace was assigned to the pool last.';
comment on column workspace_entitlements.is_primary is 'True: its primary pool, the one most recently assigned as primary. An older primary counts as secondary.';
comment on column workspace_entitlements.pool_order is 'Place of the pool among those of the workspace in its organization, from 1: its primary first, then as they were assigned.';
comment on column workspace_entitlements.may_overflow is 'Whether usage without room here may draw on later pools of the workspace.';
comment on column workspace_entitlements.pool_status is 'open, suspended or closed.';
comment on column workspace_entitlements.entitlement_type is 'boolean, limit, quota or credit.';
comment on column workspace_entitlements.held is 'False: the pool has it not any more, or an override takes it from this workspace.';
comment on column workspace_entitlements.stacking is 'How contributions combine: sum, max, min or override; for a boolean any or override.';
comment on column workspace_entitlements.effective_limit is 'What is included, in the smallest unit of the key; null: unlimited, or a feature.';
comment on column workspace_entitlements.soft_limit is 'Warned from here; null: no warning.';
comment on column workspace_entitlements.hard_limit is 'Strict usage is refused above; null: never.';
comment on column workspace_entitlements.period is 'How often a quota resets, such as day or month; null: it does not.';
comment on column workspace_entitlements.consumed is 'What is consumed in the period under way, or held of a limit, for the whole pool.';
comment on column workspace_entitlements.elsewhere is 'The part of what is consumed that credits or an on-demand payer bear.';
comment on column workspace_entitlements.uncounted is 'The part of what is consumed that takes nothing from the limit, beside what is borne elsewhere.';
comment on column workspace_entitlements.owed is 'Overage that is neither paid nor forgiven, of this period and preserved from earlier ones.';
comment on column workspace_entitlements.reserved is 'What reservations hold of it, for the whole pool.';
comment on column workspace_entitlements.remaining is 'What remains of what is included, for the whole pool; null: unlimited, or a feature.';
comment on column workspace_entitlements.credit_key is 'The credits that bear what is not included; null: none.';
comment on column workspace_entitlements.credit_rate is 'Credit units for every credit_per of quantity.';
comment on column workspace_entitlements.credit_per is 'See credit_rate.';
comment on column workspace_entitlements.credit_quantity is 'What credits bear of the period at the present rate.';
comment on column workspace_entitlements.credit_units is 'The credit units that credit_quantity took.';
comment on column workspace_entitlements.on_demand is 'Whether a payer bears what is neither included nor borne by credits, up to spending_cap.';
comment on column workspace_entitlements.payer is 'Who pays for on-demand usage; empty: the billing account of the pool; null: nothing is said of on-demand.';
comment on column workspace_entitlements.currency is 'ISO 4217 code of the currency of unit_price, spending_cap and spent; empty: not said.';
comment on column workspace_entitlements.unit_price is 'Price of price_per of quantity, in minor units of the currency.';
comment on column workspace_entitlements.price_per is 'See unit_price.';
comment on column workspace_entitlements.spending_cap is 'The most that may be spent in a period, in minor units; null: no cap.';
comment on column workspace_entitlements.spent is 'What was spent in the period under way, in minor units.';
comment on column workspace_entitlements.spending_reserved is 'What reservations hold of the spending, in minor units.';
comment on column workspace_entitlements.bought is 'The quantity that was charged at the present price.';
comment on column workspace_entitlements.charged is 'What was charged for bought, in minor units.';
comment on column workspace_entitlements.cap is 'The most this workspace can draw in cap_period, by its override or its cap; null: no cap.';
comment on column workspace_entitlements.cap_period is 'The period of the cap: its own, else that of the key; null: no cap, or one without a period.';
comment on column workspace_entitlements.cap_drawn is 'What it drew in the period of the cap under way; cap_reserved counts as drawn too.';
comment on column workspace_entitlements.cap_reserved is 'What reservations of this workspace hold; null: no cap.';
comment on column workspace_entitlements.cap_resets_at is 'End of the period of the cap under way; null: nothing was drawn in it, or it has no end.';
comment on column workspace_entitlements.workspace_override_id is 'The override of this workspace that decides; null: none.';
comment on column workspace_entitlements.pool_override_id is 'The override of the whole pool that decides; null: none.';
comment on column workspace_entitlements.over_allocated is 'True: more of a limit is held than there is.';
comment on column workspace_entitlements.period_start is 'Start of the period under way; null: nothing was counted in it.';
comment on column workspace_entitlements.resets_at is 'End of the period under way; null: nothing was counted in it, so the calendar says it (reading.workspace_entitlements does).';
comment on column workspace_entitlements.at is 'The instant this row is about: now, or the clock of a pool in backfill.';
comment on column workspace_entitlements.time_zone is 'By which time zone periods are counted.';
comment on column workspace_entitlements.anchor_at is 'From when anchored periods are counted; null: calendar periods.';
comment on column workspace_entitlements.changed_at is 'When the effective value changed last.';
comment on column workspace_entitlements.provision_ids is 'The provisions that contribute, in burn order.';
