"""Who gets a node: the queue, the clusters with their hosts as values, and the pure placement's answer written down.

Called when something came to wait or gave back a node, and by the ticker. It never changes what a run is, only where its
attempts are.
"""
