-- api_keys --
-- API keys without their hashes.
select
    organization_id, key_id, name, scopes,
    case when acts_for_all then to_jsonb('all'::text) else to_jsonb(act_for) end as act_for,
    nullif(unit_id, '') as unit_id,
    case
        when revoked_at <= now() then 'revoked'
        when expires_at <= now() then 'expired'
        else 'active'
    end as status,
    created_at, expires_at, revoked_at, requests_per_s, actor
from api_keys;
