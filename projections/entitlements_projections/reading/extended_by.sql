-- extended_by --
-- The sets that extend a set in their newest version, and the version of it that each has.
select p.set_id, p.set_version, p.parent_version
from entitlement_set_parents p
where p.parent_id = %(set_id)s
    and not exists (select from entitlement_sets s where s.set_id = p.set_id and s.set_version > p.set_version)
order by p.set_id;
