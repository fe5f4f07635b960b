"""Decides who may use how much, and remembers why. Rules only: no clock, no I/O, no look-up.

decide       the entry: (state, command, log timestamp) to events
due          what happens because time passes
aggregate    what every event and aggregate is made of
values       rules, limits, contributions, lines of usage
errors       why a command can be refused
checks       what holds for the fields of every command
ids          derived ids begin with `~`
idempotency, remembering     idempotency keys, remembered by the aggregate
remembered, remembered_chunks, remembered_lines     for a window of time, in chunks: answers, and lines of usage

Commands:  one class each, one .avsc each.
commands     pools, provisions, grants, usage, sets and keys
plan_commands    plans, quantities, calendars, overrides, on-demand, caps
usage_commands   reservations, allocations, corrections
governance_commands  organizations, policies, API keys, campaigns

Events:  `apply` changes state and decides nothing.
pool_events, plan_events, usage_events, metering_events   of pools
organization_events  of organizations

The pool:
pools, pool_parts     its state
sharing      values that many pools have alike, in memory once
entitlement, buckets  one key of it: contributions, debts, closed periods
counts       what is consumed and owed of a key
lifecycle, assignments, provisions, grants   decisions about the pool and what is in it
plans, cancellations, suspension  upgrade, trial, quantity; ends; why nothing contributes
contributing, ranking, stacking, restack, rules   contributions to values in force
calendars, periods, rolling       time zones and anchors; bounds of periods; rollover
overrides, ondemand, members      overrides; on-demand; member caps

Usage:
usage        strict and reported usage against limits and quotas
lines        what becomes of one line
cover        who is charged: included, credits, on-demand, overage
taking, taking_back   the one place where consumption moves, forward and back
overflow     when usage goes on to the customer's next pool
late_usage, closed_periods   usage of a closed period; what is remembered of it
thresholds   warned and exceeded, once per period
holdings     limits: seats, storage
reservations  quantities held before they are used
corrections, returns  reversals and corrections
owing, forgiving      what is owed

The catalogue and organizations:
catalogue, ladders    resource keys and entitlement sets; plan ladders
inheritance, key_inheritance, key_terms, lineage   sets that extend sets, features that grant features
organizations, organizing, admitting   units, members; access policies and API keys
campaigns    a set for many pools, for a window

Start reading at decide.py, then pools.py.
"""
