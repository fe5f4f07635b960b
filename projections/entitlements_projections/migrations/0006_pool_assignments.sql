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
    'Assignments of customers to pools. A customer''s primary pool is the one most recently assigned as primary.';
comment on column pool_assignments.pool_id is 'The pool.';
comment on column pool_assignments.organization_id is 'The organization that owns the pool and to which the customer belongs.';
comment on column pool_assignments.workspace_id is 'The customer (`customer_id` in the API); its id is unique within the organization.';
comment on column pool_assignments.role is 'primary or secondary, as last assigned.';
comment on column pool_assignments.may_overflow is 'True: usage that does not fit here may draw on the customer''s next pools.';
comment on column pool_assignments.assigned_at is 'When it was assigned with this role.';
comment on column pool_assignments.unassigned_at is 'When the assignment was removed; null: it is in force.';
comment on column pool_assignments.reason is 'Why the assignment was removed; empty while it is in force.';
comment on column pool_assignments.actor is 'Who last changed it.';
comment on column pool_assignments.version is 'Version of the pool at the last event about this assignment.';
