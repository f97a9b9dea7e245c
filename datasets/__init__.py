"""Datastores and datasets: where data lies and how it is named."""
