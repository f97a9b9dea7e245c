"""The connection to a studio: addresses and credentials, HTTP with its patience, lists by page, files of this machine.

Every other package calls it; it knows no noun of the studio.
"""
