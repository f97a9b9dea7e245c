"""The words of the pages in other languages: collected from the code, kept in .po files, compiled for Django and for scripts.

In plain Python, since a machine that runs the studio need not have the gettext tools.
"""
