"""Policies: the commands to pools that follow from revised sets, campaigns and organizations' units.

A policy compares what is wanted with what is, both as the read models have them, and sends the commands that are missing. It
remembers nothing: after an end at any moment it goes on where things stand. Every command it sends is harmless when repeated,
so that two of them at once do no harm either.
"""

from entitlements.policies.running import run

__all__ = ["run"]
