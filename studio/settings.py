"""Django's settings, derived from `studio.config`. Nothing here reads the environment by itself."""

from __future__ import annotations

import socket
from typing import Any
from urllib.parse import unquote, urlsplit

from studio import assets
from studio.config import ROOT, load

DUTO = load()
BASE_DIR = ROOT
SECRET_KEY = DUTO.read_secret()
SECRET_KEY_FALLBACKS = DUTO.old_secrets
DEBUG = DUTO.debug

# --- Who is answered -------------------------------------------------------------------------------------------------

_public = urlsplit(DUTO.public_url)
_hosts = {"127.0.0.1", "localhost", "[::1]", _public.hostname or "", *DUTO.allowed_hosts.replace(" ", "").split(",")}
if not DUTO.is_loopback:
    _hosts |= {DUTO.host, socket.gethostname(), socket.getfqdn()}
ALLOWED_HOSTS = sorted(host for host in _hosts if host)
CSRF_TRUSTED_ORIGINS = [f"{_public.scheme}://{_public.netloc}"] if DUTO.public_url else []
_https = _public.scheme == "https"
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "duto_session", "duto_csrf"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = _https
SESSION_COOKIE_HTTPONLY, SESSION_COOKIE_SAMESITE, CSRF_COOKIE_SAMESITE = True, "Lax", "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31_536_000 if _https else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if DUTO.trust_proxy else None
X_FRAME_OPTIONS = "SAMEORIGIN"  # frame-ancestors of the content security policy is the stricter word

# --- What the studio is made of --------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "django.forms",  # its widgets, among the templates of the studio
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "rest_framework",
    "channels",
    "drf_spectacular",
    "template_partials",
    "django_htmx",
    "core",
    "workspaces",
    "datasets",
    "environments",
    "compute",
    "registry",
    "pipelines",
    "runs",
    "schedules",
    "monitors",
    "notifications",
    "studio",
]
MIDDLEWARE = [
    "studio.middleware.SecureHeaders",
    "studio.middleware.ErrorDocuments",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "studio.middleware.NoNulls",
    "studio.middleware.CleanForms",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "studio.middleware.Language",
    "studio.middleware.Refusals",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "studio.urls"
ASGI_APPLICATION = "studio.asgi.application"
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"
TEMPLATES = [
    {
        # The name by which template_partials finds it: without it no fragment of a page is found.
        "NAME": "django",
        "BACKEND": "core.rendering.Templates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
                "runs.web.shell.shell",
            ],
        },
    }
]

# --- Where rows live -------------------------------------------------------------------------------------------------


def _sqlite() -> dict[str, Any]:
    """WAL and IMMEDIATE together are what keeps many writers free of `database is locked`."""
    pragmas = (
        "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;PRAGMA mmap_size=134217728;"
        "PRAGMA journal_size_limit=67108864;PRAGMA cache_size=-20000;"
    )
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DUTO.sqlite_path,
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": pragmas},
        # A file, not memory: tests with a live server have more than one thread.
        "TEST": {"NAME": DUTO.sqlite_path.with_name("test.sqlite3")},
    }


def _postgres(url: str) -> dict[str, Any]:
    """psycopg 3 with its own pool, so that async requests do not each open a connection."""
    parts = urlsplit(url)
    query = dict(pair.split("=", 1) for pair in parts.query.split("&") if "=" in pair)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(query.pop("host", parts.hostname or "")),
        "PORT": parts.port or "",
        "CONN_MAX_AGE": 0,
        "OPTIONS": {"pool": {"min_size": 1, "max_size": DUTO.database_pool, "timeout": 20}, **query},
    }


# No ATOMIC_REQUESTS: with IMMEDIATE each page would take SQLite's one write lock.
DATABASES = {"default": _sqlite() if DUTO.uses_sqlite else _postgres(DUTO.database_url)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Wake-ups: Celery and the channel layer -----------------------------------------------------------------------------

CHANNEL_LAYERS = {
    "default": {
        # The pub/sub layer: the other one refuses connections beyond redis-py's pool of 100.
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [DUTO.broker_url], "prefix": "duto"},
    }
}
CELERY_APP = "studio.celery.app"
CELERY_BROKER_URL = DUTO.broker_url
CELERY_TASK_SERIALIZER = CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = CELERY_RESULT_ACCEPT_CONTENT = ["json"]
CELERY_TASK_DEFAULT_QUEUE = "studio"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = None  # the threads pool cannot kill; tasks are short by design
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CONNECTION_TIMEOUT = 1
# A page must not wait for a broker that is away: the rows hold the work, the ticker finds it.
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TIMEZONE = "UTC"
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 600,
    "unacked_restore_interval": 10,
    # kombu's default of 10 multiplies the interval: lost messages would come back after minutes.
    "unacked_restore_throttle": 1,
    "socket_connect_timeout": 1,
    "socket_timeout": 5,
    "socket_keepalive": True,
    "max_retries": 0,
}

# --- People ----------------------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "workspaces.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "workspaces.backends.OnceBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_ADAPTER = "workspaces.adapter.ClosedAdapter"
ACCOUNT_FORMS = {
    "login": "workspaces.web.account_forms.SignIn",
    "change_password": "workspaces.web.account_forms.ChangePassword",
    "set_password": "workspaces.web.account_forms.SetPassword",
    "reauthenticate": "workspaces.web.account_forms.Reauthenticate",
}
ACCOUNT_LOGOUT_REDIRECT_URL = "/"
# By address, and by name and address together (workspaces.adapter).
ACCOUNT_RATE_LIMITS = {"login_failed": "10/m/ip,5/5m/key"}
# Counts of tries lie here, so strangers must not be able to push each other's out.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 100_000}}}

# --- Mail ------------------------------------------------------------------------------------------------------------

EMAIL_HOST, EMAIL_PORT = DUTO.smtp_host, DUTO.smtp_port
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = DUTO.smtp_user, DUTO.smtp_password
EMAIL_USE_TLS, EMAIL_USE_SSL = DUTO.smtp_security == "starttls", DUTO.smtp_security == "tls"
DEFAULT_FROM_EMAIL = DUTO.mail_from or f"duto@{_public.hostname or 'localhost'}"

# --- REST ------------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "workspaces.api.auth.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["workspaces.api.auth.IsKnown"],
    "EXCEPTION_HANDLER": "core.api.handle",
    "DEFAULT_RENDERER_CLASSES": ["core.rendering.Renderer"],
    "DEFAULT_PARSER_CLASSES": ["core.parsers.Parser"],
    "DEFAULT_SCHEMA_CLASS": "workspaces.api.schema.StudioSchema",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Duto",
    "DESCRIPTION": "The studio's REST interface.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": r"/api/v1/",
    "COMPONENT_SPLIT_REQUEST": True,
    "COMPONENT_SPLIT_PATCH": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "workspaces.api.schema.add_refusals",
    ],
    "ENUM_NAME_OVERRIDES": {
        "RunStatus": "runs.models.run.Run.Status",
        "PipelineStatus": "pipelines.models.PublishedPipeline.Status",
        "EndpointStatus": "pipelines.models.PipelineEndpoint.Status",
        "RunKind": "runs.models.run.Run.Kind",
        "SubmittedKind": ["pipeline", "script", "sweep", "automl", "interactive"],
        "BuildStatus": "environments.models.EnvironmentBuild.Status",
        "ProfileRunStatus": "datasets.models.ProfileRun.Status",
        "DatasetKind": "datasets.models.Dataset.Kind",
        "ModuleStatus": "pipelines.models.Module.Status",
        "ResumeOutcome": ["adopted", "runs", "later"],
        "FileState": ["gone", "changed", "touched", "kept"],
        "PlannedOutcome": ["reused", "runs", "unknown", "fails", "skipped"],
        "PlannedStart": ["now", "waits", "environment", "later"],
        "PlannedEnvironmentState": ["ready", "building", "to_build", "user_managed"],
        "DeliveryStatus": "notifications.models.Delivery.Status",
        "ChannelKind": "notifications.models.Channel.Kind",
        "RuleScope": "notifications.models.Rule.Scope",
    },
}

# --- Bodies, files, static -------------------------------------------------------------------------------------------

DATA_UPLOAD_MAX_MEMORY_SIZE = DUTO.request_max_bytes
FILE_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
FILE_UPLOAD_TEMP_DIR = DUTO.data_dir / "tmp"
STATICFILES_DIRS = [path for path in [ROOT / "static"] if path.is_dir()]
# The release in the address makes every file cacheable for ever, with nothing to collect at `up`.
STATIC_URL = f"/static/{'dev' if DEBUG else assets.release(ROOT / 'static')}/"
STATIC_ROOT = DUTO.static_root
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = DUTO.static_root is None
WHITENOISE_AUTOREFRESH = DEBUG
WHITENOISE_IMMUTABLE_FILE_TEST = assets.is_immutable

# --- Words and hours -------------------------------------------------------------------------------------------------

USE_TZ, TIME_ZONE = True, "UTC"
USE_I18N, LANGUAGE_CODE = True, "en"
LANGUAGES = [("en", "English"), ("pt-pt", "Português")]
LOCALE_PATHS = [ROOT / "locale"]
LANGUAGE_COOKIE_NAME, LANGUAGE_COOKIE_AGE = "duto_language", 365 * 86_400
LANGUAGE_COOKIE_SAMESITE, LANGUAGE_COOKIE_HTTPONLY = "Lax", True

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": DUTO.log_level},
    "loggers": {
        # An answer of 4xx is the caller's to read; a program that polls would fill the log with them.
        "django.request": {"level": "ERROR"},
        "django.server": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},
        # Each request to a datastore, with its headers.
        "azure": {"level": "WARNING"},
        "paramiko": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
    },
}
