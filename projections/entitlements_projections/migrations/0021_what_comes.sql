-- What of provisions and contributions changes an answer by itself later on.

alter table numeric_entitlement_contributions add column recurs text;

comment on column numeric_entitlement_contributions.recurs is 'How often it is refilled within a longer period; null: never.';

alter table pool_provisions add column lowering_keys text[] not null default '{}';

comment on column pool_provisions.lowering_keys is
    'Resource keys of which there may be less once it starts, because its rules deny them or stack by min or override.';

create index pool_provisions_scheduled on pool_provisions (pool_id) where status = 'scheduled';
