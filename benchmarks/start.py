"""`start`: a fresh data directory to the first sign-in page, beside the barest server of the same kind."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.bench_env import credentials_env, database_env, folder, until_200
from benchmarks.registry import Sample, Setting, benchmark
from studio.supervisor.broker import free_port
from studio.testing.live import LiveStudio, clean_env

BARE = """
import django
from django.conf import settings
from django.http import HttpResponse
from django.urls import path

settings.configure(DEBUG=False, ALLOWED_HOSTS=["*"], SECRET_KEY="bare", ROOT_URLCONF="bare")
django.setup()
urlpatterns = [path("", lambda request: HttpResponse("bare"))]

from django.core.asgi import get_asgi_application

application = get_asgi_application()
"""


@benchmark("start", "s", "ratio <= 2.5")
def start(setting: Setting) -> Iterator[Sample]:
    """Both from the start of the process to the first 200."""
    while True:
        with folder() as base:
            floor = bare(base)
            with database_env(setting.database, base) as env:
                value = whole(base, env)
        yield Sample(value, floor)


def bare(base: Path) -> float:
    """uvicorn with an empty Django."""
    (base / "bare.py").write_text(BARE)
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "bare:application", "--port", str(port), "--log-level", "error"]
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=base, env=clean_env(), stdin=subprocess.DEVNULL)
    try:
        until_200(port, "/", process)
        return time.monotonic() - began
    finally:
        process.terminate()
        process.wait()


def whole(base: Path, env: dict[str, str]) -> float:
    """`manage.py up`, with everything that a first start does."""
    from django.conf import settings
    from django.shortcuts import resolve_url

    page, port = resolve_url(settings.LOGIN_URL), free_port()
    studio = LiveStudio(base / "var", "up", "--port", str(port), env={**env, **credentials_env(base)})
    began = time.monotonic()
    process = studio.launch()
    try:
        until_200(port, page, process)
        return time.monotonic() - began
    finally:
        studio.stop()
        studio.kill()
