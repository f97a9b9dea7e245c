"""Ends as its argument says, and leaves a run open below itself."""

import sys
import time

from azureml.core import Run

how = sys.argv[1]
run = Run.get_context()
with run.child_run("closed") as child:
    child.log("depth", 1)
run.child_run("left")
if how == "complete":
    run.complete()
elif how == "fail":
    run.fail("only 3 rows", "TooFew")
else:
    (run if how == "cancel" else run.parent).cancel()
    time.sleep(300)
