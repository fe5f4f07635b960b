"""Decides who may use how much, and remembers why. Rules only: no clock, no I/O, no look-up.

aggregate    what every event and aggregate is made of
commands     what can be asked
errors       why it can be refused
values       rules, limits, contributions, lines of usage
catalogue    resource keys and entitlement sets
pools        the resource pool: its state and its events
provisions, grants, assignments, lifecycle   decisions about a pool
stacking     contributions to effective values
periods      calendar periods in UTC
usage        strict and reported usage against limits and quotas
overflow     when usage goes on to the next pool of its workspace
due          what happens because time passes
decide       one door: (state, command, log timestamp) to events
Start reading at decide.py, then pools.py.
"""
