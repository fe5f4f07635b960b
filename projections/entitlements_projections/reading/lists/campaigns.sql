-- campaigns --
-- Campaigns as they were defined last.
select
    campaign_id, name, set_id, set_version, quantity, priority, case when is_active then 'active' else 'inactive' end as status,
    starts_at, ends_at, reason, changed_at, actor
from campaigns;
