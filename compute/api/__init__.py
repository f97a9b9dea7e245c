"""REST of clusters, hosts and enrolments.

Programs and the SDK call it. It checks the form of what was sent and calls one service; it holds no rule of its own.
"""
