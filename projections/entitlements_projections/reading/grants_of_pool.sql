-- grants_of_pool --
-- Its grants, oldest first.
select * from grants where pool_id = %s order by issued_at, grant_id;
