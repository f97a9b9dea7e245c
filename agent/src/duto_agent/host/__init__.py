"""This machine as the studio sees it: who it is, what it has, what its owner asks for, what lies on its disk.

The worker wires it when the agent starts; the exchange reads the facts. Nothing here runs a step.
"""
