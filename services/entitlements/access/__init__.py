"""Answers "may they, and how much is left?" from the read models, with a reason.

standing  what the read models know of one key of one pool, as the state that the domain's rules ask
checking  the answer: the domain's own strict decision, on that state
endings   until when an answer stands by itself

Nothing is decided here a second time: the rules are domain/usage.py, domain/cover.py and domain/members.py.
Start reading at checking.py.
"""
