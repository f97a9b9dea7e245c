"""Environments: the packages a step runs with, resolved once and shared.

Runs ask for versions and builds, agents report on both. It does not know that runs exist, and builds nothing itself.
"""
