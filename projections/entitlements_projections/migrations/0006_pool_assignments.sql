-- Who may use which pool.

create table pool_assignments (
    pool_id text not null references resource_pools,
    organization_id text not null,
    workspace_id text not null,
    role text not null check (role in ('primary', 'secondary')),
    may_overflow boolean not null,
    assigned_at timestamptz not null,
    unassigned_at timestamptz,
    reason text not null,
    actor text not null,
    version bigint not null,
    primary key (pool_id, workspace_id)
);

create index pool_assignments_of_workspace on pool_assignments (workspace_id);

comment on table pool_assignments is
    'Assignments of workspaces to pools. The primary pool of an organization''s workspace is the one most recently assigned as primary.';
comment on column pool_assignments.pool_id is 'The pool.';
comment on column pool_assignments.organization_id is 'The organization that owns the pool, and whose workspace it is.';
comment on column pool_assignments.workspace_id is 'Who uses it, by its id within the organization; the API says customer_id.';
comment on column pool_assignments.role is 'primary or secondary, as it was assigned last.';
comment on column pool_assignments.may_overflow is 'True: usage without room here may draw on later pools of the workspace.';
comment on column pool_assignments.assigned_at is 'When it was assigned in this role.';
comment on column pool_assignments.unassigned_at is 'When it was taken away; null: it holds.';
comment on column pool_assignments.reason is 'Why it was taken away; empty while it holds.';
comment on column pool_assignments.actor is 'Who acted on it last.';
comment on column pool_assignments.version is 'Version of the pool at its newest event about this assignment.';
