"""What pages, REST and services ask about runs.

Everything in runs calls it. Nothing here changes a row.
"""
