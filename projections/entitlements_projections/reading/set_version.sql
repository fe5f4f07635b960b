-- set_version --
-- A version of a set; null: the newest.
select * from entitlement_sets
where set_id = %(set_id)s and (%(set_version)s::integer is null or set_version = %(set_version)s)
order by set_version desc
limit 1;
