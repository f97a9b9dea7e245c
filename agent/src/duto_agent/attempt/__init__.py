"""One attempt of a step, from its spec to the moment when the studio has everything of it.

The supervisor makes an Attempt and runs it in a thread; the Attempt stages the directory, launches the shim, watches it,
collects what it left and reports. Nothing here knows how a launcher works or who decided that the step runs on this host.
"""
