"""REST of workspaces, members and tokens, and the base that all REST views share.

Programs and the SDK call it. It checks who asks and the form of what was sent, and calls one service.
"""
