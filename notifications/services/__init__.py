"""Makes rules and channels, finds what they are about, and sends it.

Called by pages, REST, hooks of the apps below, the ticker and workers.
"""
