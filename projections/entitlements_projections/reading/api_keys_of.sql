-- api_keys_of --
-- The API keys of an organization, the newest first.
select organization_id, key_id, name, scopes, act_for, acts_for_all, unit_id, created_at, expires_at,
    revoked_at, requests_per_s, actor
from api_keys
where organization_id = %(organization_id)s
order by created_at desc, key_id;
