"""The pages Models: the list, one model with its versions, a file of a version.

Browsers call it. It only shows and downloads: models are registered by programs.
"""
