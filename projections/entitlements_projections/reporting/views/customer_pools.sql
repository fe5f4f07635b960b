-- Who may use which pool, today and before.
create or replace view entitlements_reporting.customer_pools as
select
    a.organization_id,
    a.workspace_id as customer_id,
    nullif(w.unit_id, '') as unit_id,
    a.pool_id,
    case when a.unassigned_at is null then 'active' else 'inactive' end as status,
    a.role,
    o.pool_order,
    a.may_overflow,
    a.assigned_at,
    a.unassigned_at,
    nullif(a.reason, '') as reason,
    a.actor
from entitlements.pool_assignments a
left join entitlements.organization_workspaces w on w.organization_id = a.organization_id and w.workspace_id = a.workspace_id
left join entitlements.workspace_pools o
    on o.organization_id = a.organization_id and o.workspace_id = a.workspace_id and o.pool_id = a.pool_id;

comment on view entitlements_reporting.customer_pools is 'Which pools each customer uses or used.';
comment on column entitlements_reporting.customer_pools.organization_id is 'The organization that owns the pool. Customer ids are unique within an organization only.';
comment on column entitlements_reporting.customer_pools.customer_id is 'The customer. Tables call it workspace_id.';
comment on column entitlements_reporting.customer_pools.unit_id is 'The unit of the organization that the customer is in; null: none.';
comment on column entitlements_reporting.customer_pools.pool_id is 'The pool.';
comment on column entitlements_reporting.customer_pools.status is 'active; inactive: the customer may no longer use it.';
comment on column entitlements_reporting.customer_pools.role is 'primary or secondary, as it was assigned last.';
comment on column entitlements_reporting.customer_pools.pool_order is 'In which order the customer draws on its active pools, from 1; null: inactive.';
comment on column entitlements_reporting.customer_pools.may_overflow is 'Whether usage without room here may draw on later pools of the customer.';
comment on column entitlements_reporting.customer_pools.assigned_at is 'When it was assigned in this role.';
comment on column entitlements_reporting.customer_pools.unassigned_at is 'When it was taken away; null: it is active.';
comment on column entitlements_reporting.customer_pools.reason is 'Why it was taken away; null: it is active.';
comment on column entitlements_reporting.customer_pools.actor is 'Who assigned it or took it away.';
