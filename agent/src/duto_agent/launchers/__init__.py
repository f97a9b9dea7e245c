"""The ways to run a step on this host: as a local process, with or without a sandbox, or in a container.

`base` is the contract that the supervisor and attempts call; each launcher can be asked the same thing twice.
"""
