"""A clock for whole processes that can be set: a small library that is loaded before libc adds what a file says to the time of day.

Only the time of day moves, as when somebody sets a machine's clock; what counts how much time passes goes on.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static long offset(void) {
    const char *path = getenv("DUTO_TEST_CLOCK");
    FILE *file = path ? fopen(path, "re") : NULL;
    long seconds = 0;
    if (file) {
        if (fscanf(file, "%ld", &seconds) != 1) seconds = 0;
        fclose(file);
    }
    return seconds;
}

int clock_gettime(clockid_t clock, struct timespec *spec) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
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
        """From now on their clocks differ from this machine's by so much."""
        part = self._file.with_suffix(".part")
        part.write_text(str(seconds))
        part.replace(self._file)
