-- Organizations (units, workspaces in them, members) and campaigns; and what follows from them for pools.

create table organization_units (
    organization_id text not null,
    unit_id text not null,
    parent_unit_id text not null,
    name text not null,
    defined_at timestamptz not null,
    removed_at timestamptz,
    actor text not null,
    version bigint not null,
    primary key (organization_id, unit_id)
);

comment on table organization_units is 'Units of organizations (trees).';
comment on column organization_units.organization_id is 'The organization.';
comment on column organization_units.unit_id is 'The unit.';
comment on column organization_units.parent_unit_id is 'The parent unit; empty: none.';
comment on column organization_units.name is 'Display name.';
comment on column organization_units.defined_at is 'When it was defined, or last moved or renamed.';
comment on column organization_units.removed_at is 'When it was removed; null: it exists.';
comment on column organization_units.actor is 'Who last changed it.';
comment on column organization_units.version is 'Version of the aggregate at the last event about this row.';

create table organization_workspaces (
    organization_id text not null,
    workspace_id text not null,
    unit_id text not null,
    placed_at timestamptz not null,
    actor text not null,
    version bigint not null,
    primary key (organization_id, workspace_id)
);

comment on table organization_workspaces is 'The unit of each customer.';
comment on column organization_workspaces.organization_id is 'The organization.';
comment on column organization_workspaces.workspace_id is 'The workspace.';
comment on column organization_workspaces.unit_id is 'Its unit; empty: removed from its unit.';
comment on column organization_workspaces.placed_at is 'Since when it applies.';
comment on column organization_workspaces.actor is 'Who put it there.';
comment on column organization_workspaces.version is 'Version of the aggregate at the last event about this row.';

create index organization_workspaces_by_workspace on organization_workspaces (workspace_id);

create table unit_assignments (
    organization_id text not null,
    unit_id text not null,
    pool_id text not null,
    role text not null check (role in ('primary', 'secondary')),
    may_overflow boolean not null,
    assigned_at timestamptz not null,
    unassigned_at timestamptz,
    actor text not null,
    version bigint not null,
    primary key (organization_id, unit_id, pool_id)
);

comment on table unit_assignments is 'Pools assigned to the customers in a unit and in the units below it.';
comment on column unit_assignments.organization_id is 'The organization.';
comment on column unit_assignments.unit_id is 'The unit.';
comment on column unit_assignments.pool_id is 'The pool.';
comment on column unit_assignments.role is 'primary or secondary.';
comment on column unit_assignments.may_overflow is 'Whether usage that does not fit there may draw on the customer''s next pools.';
comment on column unit_assignments.assigned_at is 'Since when it applies.';
comment on column unit_assignments.unassigned_at is 'When it was removed; null: it is in force.';
comment on column unit_assignments.actor is 'Who last changed it.';
comment on column unit_assignments.version is 'Version of the aggregate at the last event about this row.';

create table unit_workspace_pools (
    organization_id text not null,
    workspace_id text not null,
    pool_id text not null,
    role text check (role in ('primary', 'secondary')),
    may_overflow boolean not null,
    changed_at timestamptz not null,
    version bigint not null,
    primary key (organization_id, workspace_id, pool_id)
);

comment on table unit_workspace_pools is 'Pools a customer should be assigned to through its units. The reconciler applies it to pool_assignments.';
comment on column unit_workspace_pools.organization_id is 'The organization.';
comment on column unit_workspace_pools.workspace_id is 'The workspace.';
comment on column unit_workspace_pools.pool_id is 'The pool.';
comment on column unit_workspace_pools.role is 'primary or secondary; null: its units no longer assign it.';
comment on column unit_workspace_pools.may_overflow is 'Whether usage that does not fit there may draw on the customer''s next pools.';
comment on column unit_workspace_pools.changed_at is 'Since when it applies.';
comment on column unit_workspace_pools.version is 'Version of the aggregate at the last event about this row.';

create table organization_members (
    organization_id text not null,
    unit_id text not null,
    workspace_id text not null,
    subject_id text not null,
    role text not null,
    set_at timestamptz not null,
    actor text not null,
    version bigint not null,
    primary key (organization_id, unit_id, workspace_id, subject_id)
);

comment on table organization_members is 'Roles of subjects in units, including the units below them, and in single customers.';
comment on column organization_members.organization_id is 'The organization.';
comment on column organization_members.unit_id is 'The unit; empty: a role in a customer.';
comment on column organization_members.workspace_id is 'The customer; empty: a role in a unit.';
comment on column organization_members.subject_id is 'The subject (user or service) with the role.';
comment on column organization_members.role is 'viewer, editor or admin; empty: the role was removed.';
comment on column organization_members.set_at is 'Since when it applies.';
comment on column organization_members.actor is 'Who set it.';
comment on column organization_members.version is 'Version of the aggregate at the last event about this row.';

create table campaigns (
    campaign_id text not null,
    name text not null,
    set_id text not null,
    set_version integer not null,
    rules text not null,
    quantity bigint not null,
    priority integer not null,
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    reason text not null,
    is_active boolean not null,
    activation integer not null,
    changed_at timestamptz not null,
    actor text not null,
    version bigint not null,
    primary key (campaign_id)
);

comment on table campaigns is 'Campaigns: sets granted to many pools for a window.';
comment on column campaigns.campaign_id is 'The campaign.';
comment on column campaigns.name is 'Display name.';
comment on column campaigns.set_id is 'The entitlement set it provides.';
comment on column campaigns.set_version is 'Version of the set.';
comment on column campaigns.rules is 'Its rules as JSON, as in its grants.';
comment on column campaigns.quantity is 'How many times the set is granted.';
comment on column campaigns.priority is 'Burn order: the lowest priority is consumed first.';
comment on column campaigns.starts_at is 'Start of its window.';
comment on column campaigns.ends_at is 'End, exclusive.';
comment on column campaigns.reason is 'Reason.';
comment on column campaigns.is_active is 'Whether it is active now.';
comment on column campaigns.activation is 'Number of the activation; part of the ids of its grants.';
comment on column campaigns.changed_at is 'When it was last defined, activated or deactivated.';
comment on column campaigns.actor is 'Who last changed it.';
comment on column campaigns.version is 'Version of the aggregate at the last event about this row.';

create table campaign_pools (
    campaign_id text not null,
    pool_id text not null,
    added_at timestamptz not null,
    times integer not null,
    removed_at timestamptz,
    version bigint not null,
    primary key (campaign_id, pool_id)
);

comment on table campaign_pools is 'Pools that a campaign grants its set to.';
comment on column campaign_pools.campaign_id is 'The campaign.';
comment on column campaign_pools.pool_id is 'The pool.';
comment on column campaign_pools.added_at is 'Since when it applies.';
comment on column campaign_pools.times is 'How often it was added; each time it gets another grant.';
comment on column campaign_pools.removed_at is 'When it was removed; null: it is in the campaign.';
comment on column campaign_pools.version is 'Version of the aggregate at the last event about this row.';

-- What the policies look for again and again: found without reading what is as it should be.
create index pool_provisions_that_follow on pool_provisions (set_id, set_version) where follows and status <> 'ended';
create index grants_of_campaigns on grants (split_part(grant_id, '#', 1)) where status = 'issued' and actor = 'policy:campaigns';
create index organization_members_of_subject on organization_members (subject_id) where role <> '';

alter table boolean_entitlements add column min_role text not null default '';

comment on column boolean_entitlements.min_role is 'Minimum role a member needs for it: viewer, editor or admin; empty: any member.';
