-- Access policies of organizations, and the API keys that act for them.

create table access_policies (
    organization_id text not null,
    policy_id text not null,
    policy_version integer not null check (policy_version >= 1),
    policies_version bigint not null check (policies_version >= 1),
    name text not null,
    effect text not null check (effect in ('ALLOW', 'DENY')),
    priority integer not null,
    document text not null,
    changed_at timestamptz not null,
    retired_at timestamptz,
    actor text not null,
    version bigint not null,
    primary key (organization_id, policy_id)
);

comment on table access_policies is 'Policies that say when a key may be used or may not, whatever was bought.';
comment on column access_policies.organization_id is 'The organization.';
comment on column access_policies.policy_id is 'The policy.';
comment on column access_policies.policy_version is 'Its version: rises by one with each definition and retirement.';
comment on column access_policies.policies_version is 'Version of the organization''s policies together when this one was changed last; the highest is the present one.';
comment on column access_policies.name is 'Name for people.';
comment on column access_policies.effect is 'ALLOW or DENY.';
comment on column access_policies.priority is 'Of the policies that hold the highest wins; of two with the same DENY.';
comment on column access_policies.document is 'The whole policy as canonical JSON.';
comment on column access_policies.changed_at is 'When it was defined or retired last.';
comment on column access_policies.retired_at is 'Since when it counts no more; null: it counts.';
comment on column access_policies.actor is 'Who did that.';
comment on column access_policies.version is 'Version of the aggregate at its newest event about this row.';

create table api_keys (
    organization_id text not null,
    key_id text not null,
    secret_sha256 text not null check (secret_sha256 ~ '^[0-9a-f]{64}$'),
    name text not null,
    scopes text[] not null,
    act_for text[] not null,
    acts_for_all boolean not null,
    unit_id text not null,
    created_at timestamptz not null,
    expires_at timestamptz,
    revoked_at timestamptz,
    requests_per_s integer check (requests_per_s >= 1),
    actor text not null,
    version bigint not null,
    primary key (organization_id, key_id)
);

create index api_keys_by_id on api_keys (key_id, created_at);

comment on table api_keys is 'Who may act for an organization. Secrets are nowhere: only their SHA-256.';
comment on column api_keys.organization_id is 'The organization.';
comment on column api_keys.key_id is 'The part of the key that is no secret.';
comment on column api_keys.secret_sha256 is 'SHA-256 of the secret, in hex.';
comment on column api_keys.name is 'Name for people.';
comment on column api_keys.scopes is 'What it may be used for: read, use, administer, audit.';
comment on column api_keys.act_for is 'Organizations that its holder may act for by naming them.';
comment on column api_keys.acts_for_all is 'Whether its holder may act for every organization by naming it.';
comment on column api_keys.unit_id is 'The unit whose customers alone it is for, with the units below it; empty: the whole organization.';
comment on column api_keys.created_at is 'Since when it counts.';
comment on column api_keys.expires_at is 'When it ends by itself; null: never.';
comment on column api_keys.revoked_at is 'From when on it counts no more, which may be to come; null: nobody revokes it.';
comment on column api_keys.requests_per_s is 'Requests it may make in a second; null: as many as the service allows everybody.';
comment on column api_keys.actor is 'Who made it, or revoked it.';
comment on column api_keys.version is 'Version of the aggregate at its newest event about this row.';
