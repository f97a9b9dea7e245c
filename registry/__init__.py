"""Registered models and their versions.

Programs register and download them; runs note which step read one. It does not know that runs exist: files of a run
come by a hook.
"""
