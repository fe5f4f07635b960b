-- load --
-- The rows that a batch touches, as they are before it.
select t.*
from unnest(%s::text[]) as wanted (campaign_id)
join campaigns t using (campaign_id);
