-- view_caps --
-- The caps of workspaces in given pools with what reservations hold now, and for which keys single subjects have caps.
select c.*, c.subject_id <> '' as is_of_subject, (
    select coalesce(sum(h.held), 0)::bigint from pool_reservations h
    where h.pool_id = c.pool_id and h.resource_key = c.resource_key and h.workspace_id = c.workspace_id
        and h.status = 'held' and h.expires_at > case when p.backfilling then p.clock else now() end
) as reserved
from member_caps c
join resource_pools p using (pool_id)
where c.pool_id = any(%(pool_ids)s::text[]) and c.workspace_id = any(%(workspace_ids)s::text[]) and c.amount is not null
order by c.pool_id, c.workspace_id, c.resource_key, c.subject_id, c.override_id;
