"""Asks Entitlements what a customer may do, and reports what was used. Needs no other part of the project."""
