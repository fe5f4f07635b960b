"""The tables of the access log, as numbered SQL files; entitlements_projections.migrations applies them."""
