"""Inputs of steps that lie elsewhere, mounted by FUSE: read-only, and fetched as they are read.

One process for each attempt serves all of its mounts (`__main__`), so that what goes wrong with one step's data stops no
other step, and a mount goes with its step. It outlives the agent, as the step does; the agent starts it, watches it and
takes the mount away (`supervision`).
"""
