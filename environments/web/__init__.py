"""The pages Environments: the list, one environment with its versions, the log and lock of a build.

Browsers call it. It only shows: environments are registered by programs.
"""
