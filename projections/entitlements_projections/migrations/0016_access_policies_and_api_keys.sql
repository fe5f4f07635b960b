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

comment on table access_policies is 'Access policies: allow or deny keys regardless of plans.';
comment on column access_policies.organization_id is 'The organization.';
comment on column access_policies.policy_id is 'The access policy.';
comment on column access_policies.policy_version is 'Version of the policy; increases by one with each definition and retirement.';
comment on column access_policies.policies_version is 'Version of all policies of the organization at the last change of this one; the highest is the current one.';
comment on column access_policies.name is 'Display name.';
comment on column access_policies.effect is 'ALLOW or DENY.';
comment on column access_policies.priority is 'Among policies that match, the highest priority wins; at the same priority DENY wins.';
comment on column access_policies.document is 'The policy as canonical JSON.';
comment on column access_policies.changed_at is 'When it was last defined or retired.';
comment on column access_policies.retired_at is 'When it was retired; null: it applies.';
comment on column access_policies.actor is 'Who last changed it.';
comment on column access_policies.version is 'Version of the aggregate at the last event about this row.';

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

comment on table api_keys is 'API keys. Only the SHA-256 of a secret is stored.';
comment on column api_keys.organization_id is 'The organization.';
comment on column api_keys.key_id is 'Id of the API key; not secret.';
comment on column api_keys.secret_sha256 is 'SHA-256 of the secret, in hex.';
comment on column api_keys.name is 'Display name.';
comment on column api_keys.scopes is 'Scopes: read, use, administer, audit.';
comment on column api_keys.act_for is 'Organizations that its holder may act for by naming them.';
comment on column api_keys.acts_for_all is 'Whether the key may act for every organization.';
comment on column api_keys.unit_id is 'The unit it is bound to, including the units below it; empty: the whole organization.';
comment on column api_keys.created_at is 'When it was created.';
comment on column api_keys.expires_at is 'When it expires; null: never.';
comment on column api_keys.revoked_at is 'When it stops working; may be in the future. null: not revoked.';
comment on column api_keys.requests_per_s is 'Rate limit in requests per second; null: the default of the service.';
comment on column api_keys.actor is 'Who created or revoked it.';
comment on column api_keys.version is 'Version of the aggregate at the last event about this row.';
