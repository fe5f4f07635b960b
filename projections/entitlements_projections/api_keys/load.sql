-- load --
-- The rows that a batch touches, as they are before it.
select t.*
from unnest(%s::text[], %s::text[]) as wanted (organization_id, key_id)
join api_keys t using (organization_id, key_id);
