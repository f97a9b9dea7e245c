"""A small process with one thread that has the shim's modules loaded and forks a shim per request.

Forking from the agent itself would copy a process with many threads; starting a
fresh interpreter per step costs several times as much. Requests are the paths of
attempt directories on the socket that is our stdin; the answer is the shim's pid.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import traceback

from duto_agent.shim import step

MESSAGE = 1 << 14


def serve() -> int:
    """Fork a shim for each request until the agent hangs up."""
    # The kernel buries our children: a shim outlives us and is nobody's zombie.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    # The terminal's Ctrl-C is meant for the agent, which hangs up in its own time.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    link = socket.socket(fileno=0)
    gc.collect()
    gc.freeze()
    while True:
        request = link.recv(MESSAGE)
        if not request:
            return 0
        try:
            pid = os.fork()
        except OSError:
            link.send(b"0")
            continue
        if pid == 0:
            _become_shim(link, os.fsdecode(request))
        link.send(b"%d" % pid)


def _become_shim(link: socket.socket, directory: str) -> None:
    code = 1
    try:
        os.setsid()
        link.detach()
        null = os.open(os.devnull, os.O_RDWR)
        errors = os.open(os.path.join(directory, "shim.err"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for source, target in ((null, 0), (null, 1), (errors, 2)):
            os.dup2(source, target)
        for number in {null, errors} - {0, 1, 2}:
            os.close(number)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        code = step.main(directory)
    except BaseException:  # the file of errors is the only place left to tell it
        traceback.print_exc(file=sys.stderr)
        sys.stderr.flush()
    finally:
        os._exit(code)
