"""What nobody asked for in this moment: leases that ran out, hosts that left, retention, and the removal of runs and workspaces.

The ticker and Celery's tasks call it. All of it can be interrupted and repeated.
"""
