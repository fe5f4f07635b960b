-- upsert --
-- Takes the newest version only, so a replayed batch changes nothing.
insert into pool_reservations as t (
    pool_id, reservation_id, resource_key, status, quantity, held, paid, committed, credit_key, credit_units, spending, workspace_id, subject_id, lease,
    reserved_at, expires_at, over_at, version
)
select
    pool_id, reservation_id, resource_key, status, quantity, held, paid, committed, credit_key, credit_units, spending, workspace_id, subject_id, lease,
    reserved_at, expires_at, over_at, version
from staged_pool_reservations
order by pool_id, reservation_id
on conflict (pool_id, reservation_id) do update set
    resource_key = excluded.resource_key,
    status = excluded.status,
    quantity = excluded.quantity,
    held = excluded.held,
    paid = excluded.paid,
    committed = excluded.committed,
    credit_key = excluded.credit_key,
    credit_units = excluded.credit_units,
    spending = excluded.spending,
    workspace_id = excluded.workspace_id,
    subject_id = excluded.subject_id,
    lease = excluded.lease,
    reserved_at = excluded.reserved_at,
    expires_at = excluded.expires_at,
    over_at = excluded.over_at,
    version = excluded.version
where t.version < excluded.version;
