"""A clock for whole processes that can be set: a small library that is loaded before libc adds what a file says to the time of day.

Only the time of day moves, as when somebody sets a machine's clock; what counts how much time passes goes on.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long offset(void) {
    static volatile long *seconds;
    if (!seconds) {
        static long none;
        const char *path = getenv("DUTO_TEST_CLOCK");
        int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        void *page = file < 0 ? MAP_FAILED : mmap(NULL, sizeof(long), PROT_READ, MAP_SHARED, file, 0);
        if (file >= 0) close(file);
        seconds = page == MAP_FAILED ? &none : page;
    }
    return *seconds;
}

static int (*real)(clockid_t, struct timespec *);

__attribute__((constructor)) static void find(void) {
    real = dlsym(RTLD_NEXT, "clock_gettime");
}

int clock_gettime(clockid_t clock, struct timespec *spec) {
    if (!real) find();
    int done = real(clock, spec);
    if (!done && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) spec->tv_sec += offset();
    return done;
}

int gettimeofday(struct timeval *restrict value, void *restrict zone) {
    struct timespec spec;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &spec)) return -1;
    value->tv_sec = spec.tv_sec;
    value->tv_usec = spec.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *result) {
    struct timespec spec;
    clock_gettime(CLOCK_REALTIME, &spec);
    if (result) *result = spec.tv_sec;
    return spec.tv_sec;
}
"""


def compiler() -> str | None:
    """The C compiler of this machine."""
    return shutil.which("cc") or shutil.which("gcc")


class Clock:
    """The time of day of the processes that get `env`."""

    def __init__(self, folder: Path) -> None:
        """Raises CalledProcessError where the library cannot be compiled."""
        self._file, library, source = folder / "offset", folder / "clock.so", folder / "clock.c"
        source.write_text(SOURCE)
        subprocess.run(
            [str(compiler()), "-shared", "-fPIC", "-O2", "-o", str(library), str(source), "-ldl"], check=True
        )
        self.jump(0)
        self.env = {"LD_PRELOAD": str(library), "DUTO_TEST_CLOCK": str(self._file)}

    def jump(self, seconds: int) -> None:
        """From now on their clocks differ from this machine's by so much. They look at the file's first bytes by a shared page of
        memory: opening it each time cost them more than all else that they do."""
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(struct.pack("@l", seconds))
