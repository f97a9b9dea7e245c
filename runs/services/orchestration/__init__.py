"""A run's tree while it lives: which steps start, are reused, are stopped, and how each ends.

Everything that changes a tree goes through `run_transaction`. Submission, agents' reports and maintenance call it; it
asks scheduling for places and results for files, and never speaks to a host itself.
"""
