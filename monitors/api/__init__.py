"""REST of monitors and their windows.

Programs and the SDK call it.
"""
