"""What is done with data: register and resolve versions, keep files on datastores, fetch from the web, read tables.

Called by the pages and REST of datasets and by runs. It never asks which run wants it.
"""
