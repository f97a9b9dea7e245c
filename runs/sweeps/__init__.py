"""What a sweep does next, as functions of its settings and the states of its trials. Touches nothing.

Called by `runs.services.orchestration.sweeps`, which carries out what is decided, and by the queries that show trials.
"""
