"""Notifications: who is notified of which events, by which channel, and what became of each message.

Runs, schedules and models tell it through their hooks and signals, in their own transactions; people make rules and channels by
page and REST. It stands above all of them; they do not know of it.
"""
