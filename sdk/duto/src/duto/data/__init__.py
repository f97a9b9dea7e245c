"""Data: datastores, datasets and how they are made and read, references, and the data that steps pass to each other.

Steps, configurations and runs are above; a dataset that a step reads is noted at its run by the public name `duto.Run`.
"""
