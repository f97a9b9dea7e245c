"""Publishes pipelines, and enables and disables them.

Called by REST and by the pages of runs. It never starts a run: a trigger is a submit.
"""
