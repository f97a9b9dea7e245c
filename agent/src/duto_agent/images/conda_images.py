"""Environments with conda packages as images: micromamba makes the prefix in its own image, uv adds to it in the base.

Written by micromamba's documentation and source; the tests run a stand-in with the same options over another solver
(docs/containers.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from duto_agent.environments import conda

ENVIRONMENT = "/opt/duto/env"
LOCKS = "duto/lock"
FOUND = ("conda.txt", "before.txt", "after.txt")
# Another image may have set another shell for its builds, as micromamba's own does.
_CONDA = """FROM {conda} AS conda
USER 0:0
SHELL ["/bin/sh", "-c"]
RUN --mount=type=bind,source=conda.txt,target=/run/duto/conda.txt \\
    --mount=type=bind,source=settings.sh,target=/run/duto/settings.sh \\
    --mount=type=bind,source=certificates.pem,target=/run/duto/certificates.pem \\
    --mount=type=cache,target=/run/duto/cache \\
    set -e; . /run/duto/settings.sh; [ -z "$SSL_CERT_FILE" ] || export MAMBA_SSL_VERIFY="$SSL_CERT_FILE"; \\
    export MAMBA_ROOT_PREFIX=/run/duto/cache/mamba CONDA_PKGS_DIRS=/run/duto/cache/conda; \\
    """
_UV = """FROM {base}
USER 0:0
COPY --from=conda /opt/duto /opt/duto
RUN --mount=type=bind,source=uv,target=/run/duto/uv \\
    --mount=type=bind,source=lock.txt,target=/run/duto/lock.txt \\
    --mount=type=bind,source=settings.sh,target=/run/duto/settings.sh \\
    --mount=type=bind,source=certificates.pem,target=/run/duto/certificates.pem \\
    --mount=type=cache,target=/run/duto/cache \\
    set -e; . /run/duto/settings.sh; export UV_CACHE_DIR=/run/duto/cache UV_LINK_MODE=copy UV_BREAK_SYSTEM_PACKAGES=1; \\
    export UV_PYTHON={environment}/bin/python; """
TEMPLATE = (
    _CONDA
    + """micromamba create -y -p {environment} -f /run/duto/conda.txt
"""
    + _UV
    + """\\
    [ ! -s /run/duto/lock.txt ] || /run/duto/uv pip install --no-deps -r /run/duto/lock.txt; \\
    $UV_PYTHON -I -m compileall -q -j 0 {environment}/lib > /dev/null 2>&1 || :
ENV PATH={environment}/bin:$PATH CONDA_PREFIX={environment}
"""
)
# Installed once to see what that means; the downloads are in the cache for the image that is made of the lock.
RESOLVE = (
    _CONDA
    + """. /run/duto/conda.txt; micromamba create -y -p {environment} "$@"; \\
    mkdir -p /opt/duto/found; micromamba env export --explicit -p {environment} > /opt/duto/found/conda.txt
"""
    + _UV.replace("FROM {base}", "FROM {base} AS pip").replace(
        "RUN ", "RUN --mount=type=bind,source=constraints.txt,target=/run/duto/constraints.txt \\\n    "
    )
    + """\\
    cd /opt/duto/found; /run/duto/uv pip freeze > before.txt; \\
    [ ! -s /run/duto/lock.txt ] || /run/duto/uv pip install -r /run/duto/lock.txt -c /run/duto/constraints.txt; \\
    /run/duto/uv pip freeze > after.txt
FROM scratch
COPY --from=pip /opt/duto/found/ /
"""
)


def of_lock(micromamba: str, base: str, lock: str) -> dict[str, bytes]:
    """The Dockerfile of a lock's image, by the names of the two images that it begins with, and the files beside it."""
    explicit, pip = conda.split(lock)
    return _files(TEMPLATE, micromamba, base, explicit, pip)


def of_recipe(micromamba: str, base: str, recipe: Mapping[str, Any]) -> dict[str, bytes]:
    """The same for finding out what a recipe means; the image holds no more than FOUND."""
    words = conda.asked(recipe.get("conda") or {}, recipe.get("python"))
    pip = "".join(f"{each}\n" for each in recipe.get("packages") or ())
    constraints = "".join(f"{each}\n" for each in recipe.get("constraints") or ())
    return {**_files(RESOLVE, micromamba, base, words, pip), "constraints.txt": constraints.encode()}


def _files(template: str, micromamba: str, base: str, label: str, pip: str) -> dict[str, bytes]:
    dockerfile = template.format(conda=micromamba, base=base, environment=ENVIRONMENT)
    return {"Dockerfile": dockerfile.encode(), "conda.txt": label.encode(), "lock.txt": pip.encode()}
