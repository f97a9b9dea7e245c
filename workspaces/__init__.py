"""Workspaces, members, roles and tokens: who may see and do what.

Every app asks it who the caller is. It does not know what a workspace holds: apps above answer its hooks.
"""
