-- api_key --
-- One API key by its id, whether it still holds or not.
select
    organization_id,
    secret_sha256,
    scopes,
    expires_at,
    revoked_at,
    requests_per_s,
    actor
from api_keys
where key_id = %s;
