-- Named, versioned, reusable rules: what is conferred, apart from how it is sold. Versions never change.

create table entitlement_sets (
    set_id text not null,
    set_version integer not null check (set_version >= 1),
    name text not null,
    ladder text,
    rung integer,
    defined_at timestamptz not null,
    actor text not null,
    primary key (set_id, set_version)
);

comment on table entitlement_sets is 'Versions of entitlement sets.';
comment on column entitlement_sets.set_id is 'The set.';
comment on column entitlement_sets.set_version is 'Version number, from 1.';
comment on column entitlement_sets.name is 'Display name.';
comment on column entitlement_sets.ladder is 'The plan ladder it is on; null: none.';
comment on column entitlement_sets.rung is 'Its rung on the ladder; a higher number is a higher tier.';
comment on column entitlement_sets.defined_at is 'When this version was defined.';
comment on column entitlement_sets.actor is 'Who defined it.';

create table entitlement_set_rules (
    set_id text not null,
    set_version integer not null,
    position integer not null check (position >= 0),
    resource_key text not null references resource_keys,
    rule_type text not null check (rule_type in ('boolean', 'limit', 'quota', 'credit')),
    amount bigint check (amount >= 0),
    soft_limit bigint check (soft_limit >= 0),
    hard_limit bigint check (hard_limit >= 0),
    period text,
    stacking text not null,
    per_unit boolean not null,
    denied boolean not null,
    anchored boolean not null,
    recurs text,
    rollover_min bigint not null,
    rollover_max bigint not null,
    overage_at_reset text not null,
    grace_for integer not null,
    credit_key text,
    credit_rate bigint not null,
    credit_per bigint not null,
    min_role text not null,
    primary key (set_id, set_version, position),
    foreign key (set_id, set_version) references entitlement_sets
);

create index entitlement_set_rules_of_key on entitlement_set_rules (resource_key);

comment on table entitlement_set_rules is 'Rules of all versions of all sets; one table for all four types of rules.';
comment on column entitlement_set_rules.set_id is 'The set.';
comment on column entitlement_set_rules.set_version is 'Version.';
comment on column entitlement_set_rules.position is 'Index of the rule in its set, from 0.';
comment on column entitlement_set_rules.resource_key is 'The resource key.';
comment on column entitlement_set_rules.rule_type is 'boolean, limit, quota or credit.';
comment on column entitlement_set_rules.amount is 'Included quantity in the smallest unit; null: unlimited. Not used for boolean rules.';
comment on column entitlement_set_rules.soft_limit is 'Warning threshold; null: none.';
comment on column entitlement_set_rules.hard_limit is 'Strict usage above this is refused; null: the amount is the hard limit.';
comment on column entitlement_set_rules.period is 'How often a quota or balance resets: hour, day, week, month, year, lifetime or an ISO 8601 duration; null for limits and features.';
comment on column entitlement_set_rules.stacking is 'How contributions combine: any, sum, max, min or override.';
comment on column entitlement_set_rules.per_unit is 'True: amounts are multiplied by the quantity of the provision.';
comment on column entitlement_set_rules.denied is 'True: denies the feature; only with override stacking.';
comment on column entitlement_set_rules.anchored is 'True: periods start from the billing anchor.';
comment on column entitlement_set_rules.recurs is 'How often the amount is refilled within a longer period; null: never.';
comment on column entitlement_set_rules.rollover_min is 'Rollover minimum: least quantity carried over at a reset.';
comment on column entitlement_set_rules.rollover_max is 'Rollover maximum: most that is carried over at a reset.';
comment on column entitlement_set_rules.overage_at_reset is 'What happens to overage at a reset: forgive or preserve.';
comment on column entitlement_set_rules.grace_for is 'Grace in seconds: how long late usage still counts in its own period.';
comment on column entitlement_set_rules.credit_key is 'The credit balance that pays for usage above the included amount; null: none.';
comment on column entitlement_set_rules.credit_rate is 'Credit units charged per credit_per of quantity.';
comment on column entitlement_set_rules.credit_per is 'Quantity that costs credit_rate credit units.';
comment on column entitlement_set_rules.min_role is 'Minimum role a member needs for the feature; empty: any member.';
