"""Levels of caching between a question and Postgres. Each is a ViewSource before another one, optional, and bounded in time.

floors         what is known to have happened: the least that a view has to include, for all levels of a process
invalidations  follows the log and raises the floors; tells hooks and purgers
news           what a record of the log means for views: the table
hooks          on_subscription_change, on_bundle_update, on_entitlement_grant, on_usage_reset
in_process     views in memory; one load for a burst
shared         views in Valkey, for all processes
replicated     reads from Postgres' replicas that are fresh enough, else from the primary
purging        drops answers from caches before the HTTP API, by surrogate key
levels         puts the levels together, by the settings
documents      position and end of a view's document
breaker        leaves a server alone that does not answer

Which bound each level keeps, and what it costs and saves: docs/caching.md. Start reading at floors.py.
"""
