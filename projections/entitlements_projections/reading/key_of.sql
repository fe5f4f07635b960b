-- key_of --
-- The API key of an id. Ids are long and random; should two organizations have one of the same id, it is whose came first.
select organization_id, key_id, secret_sha256, name, scopes, act_for, acts_for_all, unit_id, created_at, expires_at,
    revoked_at, requests_per_s, actor
from api_keys
where key_id = %(key_id)s
order by created_at, organization_id
limit 1;
