"""What the agent asks of Slurm, by its own commands: they are the same in all releases, where its JSON is not.

The launcher of jobs submits, looks and cancels through here; the host of Slurm finds out what its nodes are like, and whether
they see the agent's folder.
"""
