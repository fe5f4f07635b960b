-- Usage ids are nearly all different: by themselves they find a row as well as behind the pool, and adding one costs a third of that.

drop index usage_events_of_usage_id;
create index usage_events_of_usage_id on usage_events (usage_id) where usage_id is not null;

alter table numeric_entitlements add column rated_at text;
comment on column numeric_entitlements.rated_at is
    'The last rate of credits (units, quantity and credit key), so that rounding continues at the same rate after a pause; null: never charged.';
