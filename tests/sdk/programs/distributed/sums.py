"""MPI by Open MPI's own library: what all ranks have in sum."""

import ctypes

lib = ctypes.CDLL("libmpi.so.40", ctypes.RTLD_GLOBAL)
world, kind, add = (
    ctypes.byref(ctypes.c_char.in_dll(lib, f"ompi_mpi_{name}")) for name in ("comm_world", "int", "op_sum")
)
lib.MPI_Init(None, None)
rank, total = ctypes.c_int(), ctypes.c_int()
lib.MPI_Comm_rank(world, ctypes.byref(rank))
lib.MPI_Allreduce(ctypes.byref(ctypes.c_int(10**rank.value)), ctypes.byref(total), 1, kind, add, world)
print("rank", rank.value, "sum", total.value)
lib.MPI_Finalize()
