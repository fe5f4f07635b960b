-- Which pool took a usage id before is looked up for each repeat of a customer with several pools.

create index usage_events_of_usage_id on usage_events (pool_id, usage_id) where usage_id is not null;
