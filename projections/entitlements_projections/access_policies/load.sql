-- load --
-- The rows that a batch touches, as they are before it.
select t.*
from unnest(%s::text[], %s::text[]) as wanted (organization_id, policy_id)
join access_policies t using (organization_id, policy_id);
