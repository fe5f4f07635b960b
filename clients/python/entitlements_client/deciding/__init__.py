"""May they? Pure: a customer, the policies and the circumstances in, a decision out. Server and client decide by this.

view        what one customer has, as the service tells it
context     what is asked, and under which circumstances
policies    the policies of an organization, compiled once; refusals says what is wrong with a bad one
decide      the decision; decision is what it says, sentences what that means for people
explain     the dry run: every step, with the outcome of every condition

conditions, operators, fields, temporal, zones, globs and places are what policies are made of.
Start reading at decide.py; docs/policies.md tells the same to people who write policies.
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
