"""Scenario files: a timeline of commands against the pure domain, and what is expected of it. In milliseconds, without servers.

reading   a YAML file to a Scenario: steps, commands by the names of their classes, what is expected
running   decide the timeline as the engine would, time passing between the steps; what differed
library/  the shipped scenarios, by feature: the domain's documentation as well
Start reading at running.py.
"""
