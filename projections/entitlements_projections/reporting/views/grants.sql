-- What was given away: to which pool, by whom, why, until when.
create or replace view entitlements_reporting.grants as
select
    g.organization_id,
    g.pool_id,
    g.grant_id,
    g.status,
    v.set_id,
    v.set_version,
    g.reason,
    g.actor,
    g.issued_at,
    g.starts_at,
    g.ends_at,
    g.over_at,
    g.over_reason,
    g.over_actor
from entitlements.grants g
left join entitlements.pool_provisions v on v.pool_id = g.pool_id and v.provision_id = g.grant_id;

comment on view entitlements_reporting.grants is 'Grants: entitlements that nobody pays for. Each is a provision with the same id.';
comment on column entitlements_reporting.grants.organization_id is 'The organization that owns the pool.';
comment on column entitlements_reporting.grants.pool_id is 'The pool. Its customers are in customer_pools.';
comment on column entitlements_reporting.grants.grant_id is 'The grant; unique in its pool, and the id of its provision.';
comment on column entitlements_reporting.grants.status is 'issued; revoked: taken back; expired: came to its end; ended: its provision or pool ended before.';
comment on column entitlements_reporting.grants.set_id is 'The entitlement set that was given; null: not known yet.';
comment on column entitlements_reporting.grants.set_version is 'Version of the set.';
comment on column entitlements_reporting.grants.reason is 'Why it was given.';
comment on column entitlements_reporting.grants.actor is 'Who gave it.';
comment on column entitlements_reporting.grants.issued_at is 'When it was given.';
comment on column entitlements_reporting.grants.starts_at is 'From when it is valid.';
comment on column entitlements_reporting.grants.ends_at is 'Until when it is valid, exclusive; null: until revoked.';
comment on column entitlements_reporting.grants.over_at is 'When it ended; null: it has not.';
comment on column entitlements_reporting.grants.over_reason is 'Why it was taken back; null: it was not.';
comment on column entitlements_reporting.grants.over_actor is 'Who took it back; null: nobody.';
