"""What is done with workspaces, people and keys: members, invitations, roles, tokens, limits, the audit.

Called by every app's pages and REST. It never looks at what a workspace holds: apps above answer by hooks.
"""
