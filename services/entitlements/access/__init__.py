"""Checks access and remaining quantities from the read models, with a reason.

views     the view of a customer: everything it has, as one document
judging   decisions from views and policies
customer_pools  the pools of customers alone, for usage
standing  one key of one pool from the read models, as the state that the domain's rules use
checking  the domain's own strict decision on that state
endings   until when an answer holds without a change
sources   where views and policies come from: Postgres, a replica, or a cache
policy_source  policies from Postgres
remembered  policies in memory
caching   levels of caching before the read models
log       the access log

Two ways: a check over HTTP is decided by entitlements_client.deciding from a view (judging.py); `entitlements check`, and what a
view cannot tell, by the domain's rules in domain/usage.py, domain/cover.py and domain/members.py (checking.py).
Start reading at judging.py, then views.py and checking.py.
"""
