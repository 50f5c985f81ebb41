"""Renders what operators look at from the contracts: alerts, dashboards, the reference of metrics."""
