"""Runs: what a script logs and reads, what a program watches, and what a run left.

`duto.Run.get_context()` is where a step begins, so little is imported at the top. Classes of the packages above are
reached by their public names (`duto.Experiment`), which load on first use.
"""
