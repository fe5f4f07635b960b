"""Policies: the commands to pools that follow from revised sets, campaigns and organizations' units.

A policy compares what is wanted with what is, both as the read models have them, and sends the commands that are missing. It
remembers nothing: after an end at any moment it goes on where things stand. Every command it sends is harmless when repeated,
so that two of them at once do no harm either.

wanted   what each policy wants: a query for what is behind, and the command that brings it up to date
running  the loop: round after round, until nothing is behind
"""

from entitlements.policies.running import run

__all__ = ["run"]
