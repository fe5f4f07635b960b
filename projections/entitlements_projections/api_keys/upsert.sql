-- upsert --
-- Takes the newest version only, so a replayed batch changes nothing.
insert into api_keys as t (
    organization_id, key_id, secret_sha256, name, scopes, act_for, acts_for_all, unit_id, created_at, expires_at,
    revoked_at, requests_per_s, actor, version
)
select
    organization_id, key_id, secret_sha256, name, scopes, act_for, acts_for_all, unit_id, created_at, expires_at,
    revoked_at, requests_per_s, actor, version
from staged_api_keys
order by organization_id, key_id
on conflict (organization_id, key_id) do update set
    secret_sha256 = excluded.secret_sha256,
    name = excluded.name,
    scopes = excluded.scopes,
    act_for = excluded.act_for,
    acts_for_all = excluded.acts_for_all,
    unit_id = excluded.unit_id,
    created_at = excluded.created_at,
    expires_at = excluded.expires_at,
    revoked_at = excluded.revoked_at,
    requests_per_s = excluded.requests_per_s,
    actor = excluded.actor,
    version = excluded.version
where t.version < excluded.version;
