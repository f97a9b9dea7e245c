"""What a script runs with: interpreters, locked environments, each made once per host, and the SDK's folder.

Attempts and build jobs ask for an environment; code of packages runs in a sandbox only. Nothing here reports to the studio.
"""
