-- What is listed by organization: its own column where rows had it only by their pool, and an index in the order of each list.

alter table pool_provisions add column organization_id text;
alter table grants add column organization_id text;
alter table usage_events add column organization_id text;

update pool_provisions v set organization_id = p.organization_id from resource_pools p where p.pool_id = v.pool_id;
update grants g set organization_id = p.organization_id from resource_pools p where p.pool_id = g.pool_id;

-- The one change of lines of usage that there ever is, and of nothing that they say: the migration takes the right back.
alter table only usage_events disable trigger append_only;
grant update on usage_events to current_user;
update usage_events u set organization_id = p.organization_id from resource_pools p where p.pool_id = u.pool_id;
revoke update on usage_events from current_user;
alter table only usage_events enable always trigger append_only;

alter table pool_provisions alter column organization_id set not null;
alter table grants alter column organization_id set not null;
alter table usage_events alter column organization_id set not null;

comment on column pool_provisions.organization_id is 'The organization that owns the pool.';
comment on column grants.organization_id is 'The organization that owns the pool.';
comment on column usage_events.organization_id is 'The organization that owns the pool.';

create index resource_pools_listed on resource_pools (organization_id, opened_at, pool_id);
drop index resource_pools_of_organization;
create index pool_provisions_listed on pool_provisions (organization_id, scheduled_at, pool_id, provision_id);
create index grants_listed on grants (organization_id, issued_at, pool_id, grant_id);
create index pool_assignments_of_customer on pool_assignments (organization_id, workspace_id);
create index api_keys_listed on api_keys (organization_id, created_at, key_id);
create index organization_workspaces_of_unit on organization_workspaces (organization_id, unit_id);
create index campaign_pools_of_pool on campaign_pools (pool_id) where removed_at is null;

-- Usage of a pool is listed by its key; only that of a whole organization costs every line an entry more.
create index usage_events_listed on usage_events (organization_id, occurred_at, pool_id);
alter table usage_events
    drop constraint usage_events_pkey,
    add primary key (pool_id, occurred_at, version, line, part);

create function units_within(of_organization text, top_unit text) returns setof text language sql stable begin atomic
with recursive below (unit_id) as (
    select u.unit_id from organization_units u
    where u.organization_id = of_organization and u.unit_id = top_unit and u.removed_at is null
    union
    select u.unit_id
    from below b join organization_units u on u.organization_id = of_organization and u.parent_unit_id = b.unit_id
    where u.removed_at is null
)
select unit_id from below;
end;

comment on function units_within is 'A unit of an organization and all units below it; empty if it was removed.';
