-- Usage ids are nearly all different: by themselves they find a row as well as behind the pool, and adding one costs a third of that.

drop index usage_events_of_usage_id;
create index usage_events_of_usage_id on usage_events (usage_id) where usage_id is not null;

alter table numeric_entitlements add column rated_at text;
comment on column numeric_entitlements.rated_at is
    'The rate at which it drew on credits last (units for so much, and of which key): rounding goes on at the same rate after a pause; null: it never did.';
