"""The words of the pages in other languages: collected from the code, kept in .po files, compiled for Django and for scripts.

For who writes the studio: Babel is among their tools, and the running studio reads what is compiled.
"""
