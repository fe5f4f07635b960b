-- reservations_under_ids --
-- What was reserved in pools of an organization under ids in a day: for whom, and of which key.
select v.reservation_id, v.workspace_id, v.resource_key
from pool_reservations v join resource_pools p using (pool_id)
where v.reservation_id = any(%(reservation_ids)s::text[]) and p.organization_id = %(organization_id)s
    and v.reserved_at > now() - interval '1 day';
