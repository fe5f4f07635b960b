-- upsert --
-- Takes the newest version only, so a replayed batch changes nothing.
insert into campaigns as t (
    campaign_id, name, set_id, set_version, rules, quantity, priority, starts_at, ends_at, reason, is_active,
    activation, changed_at, actor, version
)
select
    campaign_id, name, set_id, set_version, rules, quantity, priority, starts_at, ends_at, reason, is_active,
    activation, changed_at, actor, version
from staged_campaigns
order by campaign_id
on conflict (campaign_id) do update set
    name = excluded.name,
    set_id = excluded.set_id,
    set_version = excluded.set_version,
    rules = excluded.rules,
    quantity = excluded.quantity,
    priority = excluded.priority,
    starts_at = excluded.starts_at,
    ends_at = excluded.ends_at,
    reason = excluded.reason,
    is_active = excluded.is_active,
    activation = excluded.activation,
    changed_at = excluded.changed_at,
    actor = excluded.actor,
    version = excluded.version
where t.version < excluded.version;
