FROM python:3.13-slim

# The image is the locked environment; nothing is installed when it starts.
ENV DUTO_NO_BOOTSTRAP=1 UV_PYTHON_DOWNLOADS=never PYTHONUNBUFFERED=1 \
    PATH=/app/.venv/bin:$PATH DUTO_STATIC_ROOT=/app/collected

WORKDIR /app
COPY pyproject.toml uv.lock ./
COPY sdk sdk
COPY agent agent
COPY protocol protocol
RUN pip install --no-cache-dir --target /tmp/uv "uv==$(sed -n '/^name = "uv"$/{n;s/.*"\(.*\)"/\1/p}' uv.lock)" \
    && /tmp/uv/bin/uv sync --frozen --all-extras --no-cache --compile-bytecode && rm -rf /tmp/uv

COPY . .
RUN useradd --system --create-home --home-dir /home/duto duto \
    && mkdir -p /var/lib/duto/agent /var/lib/duto-agent \
    && DUTO_DATA_DIR=/tmp/build python manage.py collectstatic --noinput --verbosity 0 && rm -rf /tmp/build \
    && chown -R duto:duto /var/lib/duto /var/lib/duto-agent

USER duto
EXPOSE 8000
