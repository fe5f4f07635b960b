-- organization_is_known --
-- Whether there is an organization: it has a pool, or something was decided about it.
select
    exists (select 1 from resource_pools where organization_id = %(organization_id)s)
    or exists (select 1 from api_keys where organization_id = %(organization_id)s)
    or exists (select 1 from organization_units where organization_id = %(organization_id)s)
    or exists (select 1 from organization_workspaces where organization_id = %(organization_id)s)
    or exists (select 1 from organization_members where organization_id = %(organization_id)s)
    or exists (select 1 from access_policies where organization_id = %(organization_id)s) as is_known;
