"""Environments as container images: how one is made, who waits for it, which stand on this host and when they go.

Attempts, build jobs and the housekeeper call it; it reports each image's state to the studio.
"""
