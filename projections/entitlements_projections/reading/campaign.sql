-- campaign --
-- A campaign as it is defined.
select *
from campaigns
where campaign_id = %s;
