-- provisions --
-- Provisions with the ladder that they are on.
select
    v.pool_id, v.provision_id, v.organization_id, v.status, v.source, v.source_id, v.billing_account_id, v.set_id, v.set_version,
    l.ladder, l.rung, v.quantity, v.priority, v.follows, v.billing_period, v.resource_keys, v.scheduled_at, v.starts_at,
    v.started_at, v.ends_at, v.planned_ends_at, v.ended_at, v.end_reason, v.status_reason, v.actor
from pool_provisions v
left join pool_provision_ladders l on l.pool_id = v.pool_id and l.provision_id = v.provision_id;
