"""What is done with clusters and hosts: create, resize and delete clusters; enrol, drain and detach hosts.

Called by the pages and REST of compute and by runs. It never places a step: that is runs' scheduling, by compute's
pure placement.
"""
