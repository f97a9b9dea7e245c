"""`chaos`: parts are killed, stopped and cut off while steps run; afterwards everything is compared with its plan.

`manage.py bench chaos` and the live tests call it. It knows the studio from outside: processes, sockets, REST, rows.
"""

from benchmarks.chaos import bench as bench
