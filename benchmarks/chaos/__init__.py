"""`chaos`: parts are killed, stopped and cut off while steps run; afterwards everything is compared with its plan."""

from benchmarks.chaos import bench as bench
