-- load --
-- The rows that a batch touches, as they are before it.
select t.*
from unnest(%s::text[], %s::text[]) as wanted (campaign_id, pool_id)
join campaign_pools t using (campaign_id, pool_id);
