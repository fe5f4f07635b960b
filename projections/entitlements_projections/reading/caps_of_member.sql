-- caps_of_member --
-- The caps of a workspace, and of one subject in it, for a key in pools, with what reservations of the member hold at an instant.
select c.*, (
    select coalesce(sum(h.held), 0)::bigint from pool_reservations h
    where h.pool_id = c.pool_id and h.resource_key = c.resource_key and h.workspace_id = c.workspace_id
        and c.subject_id in ('', h.subject_id) and h.status = 'held'
        and h.expires_at > case when p.backfilling then p.clock else coalesce(%(at)s, now()) end
) as reserved
from member_caps c
join resource_pools p using (pool_id)
where c.pool_id = any(%(pool_ids)s::text[]) and c.workspace_id = %(workspace_id)s and c.resource_key = %(resource_key)s
    and c.subject_id in ('', %(subject_id)s) and c.amount is not null
order by c.subject_id, c.override_id;
