-- holders_of_pool --
-- Who holds limits by name, such as seats.
select resource_key, holder_id, held, workspace_id, changed_at, actor from limit_holders
where pool_id = %(pool_id)s and held > 0
order by resource_key, holder_id;
