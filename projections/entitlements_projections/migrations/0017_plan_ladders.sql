-- Plan ladders, and what of a provision tells why a key is not had: an end of its own, and the keys that it would confer while suspended.

create table plan_ladders (
    ladder text primary key,
    name text,
    rungs jsonb,
    defined_at timestamptz,
    actor text,
    version bigint not null default 0,
    check ((version > 0) = (rungs is not null))
);

comment on table plan_ladders is 'Plan ladders, defined or only used by a set or provision.';
comment on column plan_ladders.ladder is 'The ladder.';
comment on column plan_ladders.name is 'Display name; null: not defined.';
comment on column plan_ladders.rungs is 'Its rungs (service tiers) by ascending number: [{"rung": 1, "name": "Free"}]; null: not defined, so it has the rungs of its sets.';
comment on column plan_ladders.defined_at is 'When it was last defined; null: never.';
comment on column plan_ladders.actor is 'Who last defined it.';
comment on column plan_ladders.version is 'Version of the ladder at its last definition; 0: used but not defined.';

insert into plan_ladders (ladder)
select ladder from entitlement_sets where ladder is not null
union
select ladder from pool_provision_ladders;

-- The projector writes ladders first, in the same transaction: these always hold.
alter table entitlement_sets add foreign key (ladder) references plan_ladders;
alter table pool_provision_ladders add foreign key (ladder) references plan_ladders;

create index entitlement_sets_of_ladder on entitlement_sets (ladder, rung) where ladder is not null;

alter table pool_provisions
    add column planned_ends_at timestamptz,
    add column resource_keys text[] not null default '{}';

comment on column pool_provisions.planned_ends_at is 'Its end without a cancellation; ends_at is earlier if it was cancelled. null: open-ended.';
comment on column pool_provisions.resource_keys is 'The resource keys its rules include.';

create index pool_provisions_suspended on pool_provisions (pool_id) where status = 'suspended';

create function is_suspended(in_pool text, of_key text) returns boolean language sql stable begin atomic
select exists (
    select from pool_provisions v
    where v.pool_id = in_pool and v.status = 'suspended' and of_key = any(v.resource_keys)
);
end;

comment on function is_suspended is 'Whether a suspended provision of a pool includes a key.';
