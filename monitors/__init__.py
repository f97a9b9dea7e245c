"""Monitors: how far the data of a window of time are from a baseline, window after window.

The ticker calls it when a window is over, and people make monitors by page, REST and SDK. It stands above the schedules, whose
neighbour it is, and the runs, which it starts when data have drifted; notifications stand above it and tell of that.
"""
