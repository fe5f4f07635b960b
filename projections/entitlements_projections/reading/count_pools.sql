-- count_pools --
-- How many pools an organization has, counted no further than asked.
select count(*) as count
from (select 1 from resource_pools where organization_id = %(organization_id)s limit %(at_most)s) as pools;
