"""The reconciler: the commands to pools that follow from revised sets, campaigns and assignments of units.

A rollout compares wanted with actual, both as the read models have them, and sends the commands that are missing. It
remembers nothing: after an end at any moment it goes on where things stand. Every command it sends is harmless when repeated,
so that two of them at once do no harm either.

wanted   what each rollout wants: a query for what is behind, and the command that brings it up to date
running  the loop: round after round, until nothing is behind
"""

from entitlements.reconciler.running import run

__all__ = ["run"]
