-- resource_key --
-- A key that was defined.
select * from resource_keys where resource_key = %s and version > 0;
