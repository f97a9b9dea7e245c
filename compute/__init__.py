"""Compute targets, hosts and nodes, and where a step is placed.

Runs call it for clusters and for the pure placement, agents' reports for hosts. It does not know that runs exist:
what it asks of them it declares in `hooks`.
"""
