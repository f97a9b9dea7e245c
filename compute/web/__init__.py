"""The pages Compute: clusters, hosts, and the dialogs that change them.

Browsers call it. It asks and calls services; what runs on a node is drawn by the pages of runs.
"""
