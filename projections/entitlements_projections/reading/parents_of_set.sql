-- parents_of_set --
-- The versions of sets that a version of a set extends, in their order.
select parent_id as set_id, parent_version as version from entitlement_set_parents
where set_id = %(set_id)s and set_version = %(set_version)s
order by position;
