"""REST of runs and of what spans apps: submit, list, follow, trigger, retention, workspaces.

Programs, the SDK and steps call it. It checks the form of what was sent and calls one service; it holds no rule of
its own.
"""
