"""Decisions, without I/O: a customer, access policies and a context in, a decision out. Service and client share this code.

view        what one customer has, as the service sends it
context     the request and its context
policies    the policies of an organization, compiled once
refusals    what is wrong with an invalid policy
decide      the decision
decision    what was decided, and why
sentences   the text of each reason
explain     the dry run: every step, with the outcome of every condition

conditions  trees of `all`, `any` and `not`, compiled once
operators   what each operator means
kinds       what an operator compares with what
fields      the fields that conditions may name
globs       patterns of text: `*` and `?`
instants    RFC 3339 text and seconds
temporal    windows, weekdays and hours of a policy
zones       time zones, from the pinned package tzdata only
places      where and when a key may be used
unique      ids that nobody else has

Start reading at decide.py; docs/policies.md explains the same to authors of policies.
"""

from entitlements_client.deciding.context import Context, Request
from entitlements_client.deciding.decide import decide
from entitlements_client.deciding.decision import Decision
from entitlements_client.deciding.explain import explain
from entitlements_client.deciding.policies import NO_POLICIES, Policy, PolicySet, check_policy
from entitlements_client.deciding.refusals import PolicyIsInvalid
from entitlements_client.deciding.view import AsOf, CustomerView, Entry

__all__ = [
    "NO_POLICIES",
    "AsOf",
    "Context",
    "CustomerView",
    "Decision",
    "Entry",
    "Policy",
    "PolicyIsInvalid",
    "PolicySet",
    "Request",
    "check_policy",
    "decide",
    "explain",
]
