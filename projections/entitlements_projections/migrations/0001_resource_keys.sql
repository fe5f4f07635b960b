-- The shared namespace of things one can be entitled to. Every resource_key column of every table points here.

-- Outside the schema of the tables, so that a rebuilt schema can take the place of the live one.
create extension if not exists btree_gist with schema public;

create table resource_keys (
    resource_key text primary key,
    name text,
    data_type text check (data_type in ('boolean', 'integer')),
    unit text,
    scale integer check (scale >= 0),
    defined_at timestamptz,
    actor text,
    version bigint not null default 0
);

comment on table resource_keys is
    'Resource keys (features). A key that is used before its definition was read is a row without a name; the definition completes it.';
comment on column resource_keys.resource_key is 'The resource key, such as api_calls.';
comment on column resource_keys.name is 'Display name; null: not defined yet.';
comment on column resource_keys.data_type is 'Type of its values: boolean or integer.';
comment on column resource_keys.unit is 'Unit of its quantities, such as call or byte; empty for features.';
comment on column resource_keys.scale is 'Decimal places shown: 1250 at scale 2 is displayed as 12.50.';
comment on column resource_keys.defined_at is 'When this definition was made.';
comment on column resource_keys.actor is 'Who defined it.';
comment on column resource_keys.version is 'Version of the resource key; 0: used but not defined yet.';
