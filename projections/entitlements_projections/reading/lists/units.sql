-- units --
-- Units of organizations, those that were removed too.
select
    organization_id, unit_id, nullif(parent_unit_id, '') as parent_unit_id, name,
    case when removed_at is null then 'active' else 'removed' end as status,
    defined_at, removed_at, actor
from organization_units;
