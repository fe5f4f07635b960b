-- append --
-- Appends with the payer: the provision's, else the pool's; nobody pays for what a grant includes. What is there stays.
insert into usage_events (
    pool_id, organization_id, version, line, occurred_at, part, recorded_at, resource_key, quantity, overage, mode, late,
    workspace_id, subject_id, usage_id, provision_id, bearer, charge, reservation_id, billing_account_id
)
select
    s.pool_id, (select p.organization_id from resource_pools p where p.pool_id = s.pool_id), s.version, s.line,
    timestamptz 'epoch' + s.occurred_at_ms * interval '1 millisecond',
    s.part,
    timestamptz 'epoch' + s.recorded_at_ms * interval '1 millisecond',
    s.resource_key, s.quantity, s.overage, s.mode, s.late,
    nullif(s.workspace_id, ''), nullif(s.subject_id, ''), nullif(s.usage_id, ''), nullif(s.provision_id, ''),
    s.bearer, s.charge, nullif(s.reservation_id, ''),
    -- Sub-selects, not joins: one look into an index for each line, whatever the planner thinks of a temporary table.
    case when s.payer <> '' then s.payer
    when s.provision_id = '' then (select p.billing_account_id from resource_pools p where p.pool_id = s.pool_id)
    else (
        select
            case when v.source = 'grant' and s.overage = 0 then null
            else coalesce(v.billing_account_id, p.billing_account_id) end
        from pool_provisions v join resource_pools p on p.pool_id = v.pool_id
        where v.pool_id = s.pool_id and v.provision_id = s.provision_id
    ) end
from staged_usage_events s
on conflict (pool_id, version, line, occurred_at, part) do nothing;
