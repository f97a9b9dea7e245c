"""Datastores and datasets: where data lies, how it is named, and how tables are read.

Runs resolve their inputs and keep their outputs by it. It does not know that runs exist: what it asks of them it
declares in `hooks`.
"""
