"""Compute targets, hosts and nodes, and where a step is placed."""
