"""Pages of notifications, and the links in mails, which work without signing in.

Views translate and call one service.
"""
