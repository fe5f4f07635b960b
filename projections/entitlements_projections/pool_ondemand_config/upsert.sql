-- upsert --
-- Takes the newest version only, so a replayed batch changes nothing.
insert into pool_ondemand_config as t (
    pool_id, resource_key, enabled, payer, currency, unit_price, price_per, spending_cap, alert_at, alerted,
    alerted_at, spent, bought, charged, configured_at, actor, version
)
select
    pool_id, resource_key, enabled, payer, currency, unit_price, price_per, spending_cap, alert_at, alerted,
    alerted_at, spent, bought, charged, configured_at, actor, version
from staged_pool_ondemand_config
order by pool_id, resource_key
on conflict (pool_id, resource_key) do update set
    enabled = excluded.enabled,
    payer = excluded.payer,
    currency = excluded.currency,
    unit_price = excluded.unit_price,
    price_per = excluded.price_per,
    spending_cap = excluded.spending_cap,
    alert_at = excluded.alert_at,
    alerted = excluded.alerted,
    alerted_at = excluded.alerted_at,
    spent = excluded.spent,
    bought = excluded.bought,
    charged = excluded.charged,
    configured_at = excluded.configured_at,
    actor = excluded.actor,
    version = excluded.version
where t.version < excluded.version;
