"""Answers "may they, and how much is left?" from the read models, with a reason.

views     the view of a customer: everything it has, as one document
judging   answers from views and policies
standing  one key of one pool from the read models, as a state that the domain's rules read
checking  the domain's own strict decision on that state
endings   until when an answer stands by itself
sources   where views and policies come from: Postgres, a replica, or a cache
policy_source  policies from Postgres
remembered  policies in memory
caching   levels of caching before the read models
log       the access log

Nothing is decided here a second time: the rules are domain/usage.py, domain/cover.py and domain/members.py.
Start reading at checking.py.
"""
