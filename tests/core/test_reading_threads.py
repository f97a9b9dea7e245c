"""Messages are read by many threads from a process's first moment on."""

from __future__ import annotations

import subprocess
import sys

# Each round learns types that no thread has read before, in threads that change with each few instructions.
TOGETHER = """
import sys, threading
from duto_protocol import messages
from duto_protocol.reading import NotUnderstood, of_document, read
sys.setswitchinterval(1e-6)
kinds = [each for each in vars(messages).values() if isinstance(each, type) and issubclass(each, messages.Message)]
gate = threading.Barrier(8)
def reads():
    for kind in sorted(kinds, key=lambda each: -len(each.__struct_fields__)):
        last = kind.__struct_fields__[-1]
        for way in (lambda: of_document({last: {}}, kind), lambda: read(b'{"%s": {}}' % last.encode(), kind)):
            gate.wait()
            try:
                way()
            except NotUnderstood:
                pass
threads = [threading.Thread(target=reads) for _ in range(8)]
for each in threads:
    each.start()
for each in threads:
    each.join()
print(len(kinds))
"""


def test_threads_that_read_a_type_for_the_first_time_at_once_do_not_end_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", TOGETHER], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done
    assert int(done.stdout) > 30
