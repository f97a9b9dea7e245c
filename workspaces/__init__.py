"""Workspaces, members, roles and tokens: who may see and do what."""
