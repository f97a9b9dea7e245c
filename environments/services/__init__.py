"""What is done with environments: register versions, queue and report builds, keep their logs, follow their images on
hosts.

Called by the pages and REST of environments, and by runs, which also carry what agents report. It builds nothing
itself: agents do.
"""
