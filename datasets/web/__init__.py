"""The pages Data: datasets, the form that registers one, datastores and their files.

Browsers call it. What it shows of a table is read by a process of its own, never by the web process.
"""
