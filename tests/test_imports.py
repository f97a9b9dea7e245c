"""Any module can be the first that is imported: none waits for another to have been there before."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from studio.bootstrap import ROOT

# Each module in a process of its own, which is a fork of one that has loaded other people's libraries alone: all that any of
# the modules asks for, so that no fork does that again. For the server the applications with their models, too, since Django
# loads those first wherever it runs.
EACH = """
import gc, importlib, os, sys, traceback
kind, names = sys.argv[1], sys.argv[2:]
ours = {name.partition(".")[0] for name in names}
# Its views import what the settings name.
ours_or_names_ours = {*ours, "rest_framework", "drf_spectacular"}
if kind == "server":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")
    import django
    django.setup()

def load(names, told):
    for name in names:
        try:
            importlib.import_module(name)
        except BaseException:
            told()

def fork(work):
    child = os.fork()
    if not child:
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return child

def tell_of_others():
    load(names, lambda: None)  # it is told when its turn comes
    with open(write, "w") as pipe:
        pipe.write(" ".join(name for name in list(sys.modules) if name.partition(".")[0] not in ours_or_names_ours))

def mine():
    return {name for name in sys.modules if name.partition(".")[0] in ours}

read, write = os.pipe()
child = fork(tell_of_others)
os.close(write)
with open(read) as pipe:
    others = pipe.read().split()
os.waitpid(child, 0)
before = mine()
load(others, lambda: None)
assert mine() == before, mine() - before
gc.collect()
gc.freeze()

def told():
    traceback.print_exc()
    os._exit(1)

failed = [name for name in names if os.waitpid(fork(lambda: load([name], told)), 0)[1]]
print("cannot be imported first:", *failed) if failed else print("all", len(names))
"""
PLACES = {
    "sdk": ("sdk/duto/src/duto", "sdk/azureml/src/azureml"),
    "agent": ("agent/src/duto_agent", "protocol/src/duto_protocol"),
    "server": (
        "core", "workspaces", "datasets", "environments", "compute", "registry", "pipelines", "runs", "schedules", "monitors", "notifications", "studio", "benchmarks",
    ),
}  # fmt: skip
# Programs rather than modules: what they do begins with their import.
PROGRAMS = ("__main__", "studio.testing.plugin")


def modules(place: str) -> list[str]:
    folder = ROOT / place
    top = folder.parent
    found = []
    for file in sorted(folder.rglob("*.py")):
        parts = file.relative_to(top).with_suffix("").parts
        name = ".".join(parts).removesuffix(".__init__")
        # What stands in `inside` is run by another process, as a program.
        if not {"migrations", "inside"} & set(parts) and not name.endswith(PROGRAMS) and parts[-1] != "__main__":
            found.append(name)
    return found


@pytest.mark.parametrize("kind", PLACES)
def test_any_module_can_be_imported_first(kind: str) -> None:
    names = [name for place in PLACES[kind] for name in modules(place)]
    command = [sys.executable, "-c", EACH, kind, *names]
    env = {**os.environ, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=env)
    assert done.stdout.split() == ["all", str(len(names))], done.stdout + done.stderr[-4000:]


# Reversing anything has Django look into every resolver: what is loaded when it is first asked for stays out of that.
LATE = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "studio.settings"
import django
django.setup()
from django.urls import Resolver404, resolve, reverse
from django.utils import translation

loaded = lambda: {"rest_framework.views", "runs.api.runs"} & set(sys.modules)
for language in ("en", "pt-pt"):
    with translation.override(language):
        assert (reverse("home", args=["lab"]), resolve("/w/lab/runs/").view_name) == ("/w/lab/", "runs:list")
assert not loaded(), loaded()
import studio.asgi, studio.celery
# What reckons and reads tables has processes of its own.
assert not {"numpy", "pyarrow", "duckdb"} & set(sys.modules)
assert reverse("api:api-schema") == "/api/v1/schema" == "/" + resolve("/api/v1/schema").route
assert loaded() and resolve("/agent/v1/enrol").namespace == "agent"
try:
    resolve("/api/v1/nothing/")
except Resolver404:
    print("late")
"""


def test_no_page_and_no_worker_loads_the_rest_interface_or_numpy_before_it_is_asked_for() -> None:
    done = subprocess.run([sys.executable, "-c", LATE], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "late", done.stderr[-4000:]
