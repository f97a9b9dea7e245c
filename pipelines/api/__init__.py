"""REST of published pipelines.

Programs and the SDK call it. Triggers are REST of runs, since they submit one.
"""
