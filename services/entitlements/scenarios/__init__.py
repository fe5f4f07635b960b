"""Scenario files: a timeline of commands against the pure domain, and what is expected of it. In milliseconds, without servers.

words      the names that the code gives to commands, events and refusals; short forms of fields; instants
asking     commands as files write them: a model of each, made from its class
extending  sets that extend sets, resolved before they are sent
files      what may stand in a file, and its JSON Schema
reading    a YAML file to a Scenario; every mistake with its place
world      the aggregates of a scenario, and the way a command takes to them
running    decide the timeline, time passing between the steps
comparing  what was expected against what is there
preview    a changed set over the recorded history of real pools
replaying  events of a pool back to commands
library/   the shipped scenarios, by feature: the domain's documentation as well
Start reading at running.py.
"""
