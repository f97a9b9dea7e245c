"""REST of schedules and their ticks.

Programs and the SDK call it.
"""
