-- Sets that extend sets, keys that inherit from keys, and what the definition document of a key says.

alter table entitlement_sets
    add column inheritance text not null default 'merge' check (inheritance in ('merge', 'replace', 'additive')),
    add column own_rules jsonb not null default '[]';

comment on column entitlement_sets.inheritance is 'How its own rules combine with inherited ones: merge, replace or additive.';
comment on column entitlement_sets.own_rules is
    'Its own rules, if it extends other sets, with the names of the fields each rule states. Empty: it extends none, and its rules are its own.';

create table entitlement_set_parents (
    set_id text not null,
    set_version integer not null,
    position integer not null check (position >= 0),
    parent_id text not null,
    parent_version integer not null check (parent_version >= 1),
    primary key (set_id, set_version, position),
    foreign key (set_id, set_version) references entitlement_sets
);

create index entitlement_set_parents_of on entitlement_set_parents (parent_id, parent_version);

comment on table entitlement_set_parents is
    'Which set versions extend which. No foreign key to the parent: it may be on a partition that is read later.';
comment on column entitlement_set_parents.set_id is 'The set that extends.';
comment on column entitlement_set_parents.set_version is 'Version.';
comment on column entitlement_set_parents.position is 'Index of the parent in the order in which they are applied, from 0.';
comment on column entitlement_set_parents.parent_id is 'The parent set.';
comment on column entitlement_set_parents.parent_version is 'Version.';

alter table resource_keys
    add column entitlement_type text check (entitlement_type in ('boolean', 'limit', 'quota', 'credit')),
    add column default_value bigint check (default_value >= 0),
    add column override_policy text check (override_policy in ('always_allow', 'parent_wins', 'child_wins')),
    add column usage_tracking jsonb,
    add column constraints jsonb;

comment on column resource_keys.entitlement_type is 'Entitlement type of its rules; null: no definition document.';
comment on column resource_keys.default_value is 'Default for pools that no provision gives this key; for a feature 1 (on). null: nothing.';
comment on column resource_keys.override_policy is 'Whether having it grants its parents even if they are denied; null: no definition document.';
comment on column resource_keys.usage_tracking is 'Whether usage is counted (enabled), with reset_period, soft_limit and hard_limit; null: not specified.';
comment on column resource_keys.constraints is 'Where and when it may be used: geographic_restrictions, start_date, end_date; null: anywhere, at any time.';

create table resource_key_parents (
    resource_key text not null references resource_keys,
    position integer not null check (position >= 0),
    parent_key text not null references resource_keys,
    version bigint not null,
    primary key (resource_key, parent_key)
);

create index resource_key_parents_of on resource_key_parents (parent_key);

comment on table resource_key_parents is 'Features (parents) that having a feature grants too.';
comment on column resource_key_parents.resource_key is 'The resource key of the feature.';
comment on column resource_key_parents.position is 'Index of the parent in the definition, from 0.';
comment on column resource_key_parents.parent_key is 'The feature it grants.';
comment on column resource_key_parents.version is 'Version of the resource key that defined it.';
