-- API keys, without the hashes of their secrets.
create or replace view entitlements_reporting.api_keys as
select
    a.organization_id,
    a.key_id,
    a.name,
    case when a.revoked_at <= now() then 'revoked' when a.expires_at <= now() then 'expired' else 'active' end as status,
    a.scopes,
    a.act_for,
    a.acts_for_all,
    nullif(a.unit_id, '') as unit_id,
    a.requests_per_s,
    a.created_at,
    a.expires_at,
    a.revoked_at,
    a.actor
from entitlements.api_keys a;

comment on view entitlements_reporting.api_keys is 'API keys: what each may be used for, who created it and when it ends. Hashes of secrets are not here.';
comment on column entitlements_reporting.api_keys.organization_id is 'The organization of the key.';
comment on column entitlements_reporting.api_keys.key_id is 'The part of the key that is not secret. access_log has it as asked_by.';
comment on column entitlements_reporting.api_keys.name is 'Name for people.';
comment on column entitlements_reporting.api_keys.status is 'active, revoked or expired.';
comment on column entitlements_reporting.api_keys.scopes is 'What it may be used for: read, use, administer, audit.';
comment on column entitlements_reporting.api_keys.act_for is 'Other organizations that it may act for; empty: none, unless acts_for_all.';
comment on column entitlements_reporting.api_keys.acts_for_all is 'Whether it may act for every organization.';
comment on column entitlements_reporting.api_keys.unit_id is 'The unit to whose customers it is restricted; null: the whole organization.';
comment on column entitlements_reporting.api_keys.requests_per_s is 'Requests that it may make in a second; null: the default of the service.';
comment on column entitlements_reporting.api_keys.created_at is 'When it was created.';
comment on column entitlements_reporting.api_keys.expires_at is 'When it ends by itself; null: never.';
comment on column entitlements_reporting.api_keys.revoked_at is 'From when on it is revoked, which may be in the future; null: it is not.';
comment on column entitlements_reporting.api_keys.actor is 'Who created or revoked it.';
