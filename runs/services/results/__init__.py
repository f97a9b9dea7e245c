"""What steps leave: outputs, artifacts, logs, metrics and samples of use, and whether they are still what was written.

Orchestration calls it at the end of an attempt, pages and REST while it runs. It decides nothing about a run's state.
"""
