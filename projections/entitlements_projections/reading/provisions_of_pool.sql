-- provisions_of_pool --
-- Its provisions with their ladders, in the order in which they were connected.
select v.*, l.ladder, l.rung
from pool_provisions v left join pool_provision_ladders l using (pool_id, provision_id)
where v.pool_id = %s
order by v.scheduled_at, v.provision_id;
