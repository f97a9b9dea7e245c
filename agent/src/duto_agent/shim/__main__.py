"""`python -I -S .../duto_agent/shim <attempt directory> [<folder of the shim's own notes>]`, or `... zygote` with a
socket as stdin."""

import os
import sys

# -I keeps the package's folder out of the path. It goes last: no file here may hide the standard library.
sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from duto_agent.shim import step, zygote

if __name__ == "__main__":
    code = zygote.serve() if sys.argv[1] == "zygote" else step.main(*map(os.path.abspath, sys.argv[1:3]))
    sys.stderr.flush()
    os._exit(code)  # all is written; whoever waits for the end of a container need not wait for an interpreter's
