"""Cache levels between a check and Postgres. Each is an optional ViewSource in front of another, with a maximum age.

floors         minimum position that a view must include, for all levels of a process
invalidations  follows the log, raises the floors, and calls hooks and purgers
pool_users     whom news of a pool concern
vouching       until when everything that was decided has been published
news           what a record of the log means for views: the table
hooks          on_subscription_change, on_bundle_update, on_entitlement_grant, on_usage_reset
in_process     views in memory; one load for a burst
shared         views in Valkey, for all processes
replicated     reads from fresh Postgres replicas, otherwise from the primary
purging        purges HTTP caches in front of the API by surrogate key
levels         puts the levels together, by the settings
documents      position and end of a view's document
breaker        circuit breaker for a server that does not respond

Which bound each level keeps, and what it costs and saves: docs/caching.md. Start reading at floors.py.
"""
