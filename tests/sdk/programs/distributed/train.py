"""Each rank counts what it has, and all of them what there is."""

import argparse
import os
import socket
import time

from azureml.core import Run

parser = argparse.ArgumentParser()
parser.add_argument("--fail", type=int, default=-1)
parser.add_argument("--rank", type=int, required=True)
given = parser.parse_args()
rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
place = (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
assert given.rank == rank
total = rank
if rank == 0:
    server = socket.create_server(place)
    for _ in range(size - 1):
        guest, _address = server.accept()
        total += int(guest.recv(9))
        guest.close()
    Run.get_context().log("total", total)
else:
    while True:
        try:
            link = socket.create_connection(place)
            break
        except OSError:
            time.sleep(0.05)
    link.send(b"%d" % rank)
print("rank", rank, "of", size, "total", total, "threads", os.environ["OMP_NUM_THREADS"])
if rank == given.fail:
    raise ValueError("not converged")
if given.fail >= 0:
    time.sleep(300)
