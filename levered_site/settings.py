"""All settings, read from the environment by the typed readers of `env.py`. `.env.example` lists every variable."""

from pathlib import Path
from typing import Any

import environ
from django.templatetags.static import static

from levered_site import env
from levered_site.logs import logging_settings

BASE_DIR = Path(__file__).resolve().parent.parent
environ.Env.read_env(BASE_DIR / ".env", overwrite=False, parse_comments=True)

DATA_DIR = Path(env.text("LEVERED_DATA_DIR", str(BASE_DIR / "var")))
DEBUG = env.boolean("LEVERED_DEBUG", False)
SECRET_KEY = env.secret("LEVERED_SECRET_KEY", DATA_DIR / "secret_key")
# The first encrypts warehouse credentials, all decrypt. Generated beside the secret above, and as precious: without it
# the credentials must be typed again.
SECRET_KEYS_GIVEN = bool(env.words("LEVERED_SECRET_KEYS", []))
SECRET_KEYS = env.secrets("LEVERED_SECRET_KEYS", DATA_DIR / "credentials_key")
# Customers name hosts of warehouses. They reach public ones and, of private ones, these networks.
PRIVATE_NETWORKS = env.networks("LEVERED_PRIVATE_NETWORKS")
ALLOWED_HOSTS = env.words("LEVERED_ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.words("LEVERED_TRUSTED_ORIGINS", [])
WEB_PROCESSES = env.integer("WEB_PROCESSES", 1, at_least=1)
TRUSTED_PROXIES = env.integer("LEVERED_TRUSTED_PROXIES", 0)

INSTALLED_APPS = [
    "oauth2_provider",  # before us: we take its pages out of the admin
    "levered_site.organizations",
    "warehouse",
    "optimizations",
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "levered_site.static_files.PublishedFiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_ratelimit",
    "django_q",
    "django_htmx",
]

MIDDLEWARE = [
    # answers the two public serve paths itself: nothing below is needed there
    "optimizations.api.shortcut.ServeMiddleware",
    "levered_site.request_id.RequestIdMiddleware",
    "levered_site.api.middleware.JsonErrorsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "levered_site.organizations.audit.AuditMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "levered_site.urls"
WSGI_APPLICATION = "levered_site.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# --- database: SQLite tuned for many writers, or PostgreSQL behind a pool --------------------------------------------
DATABASES = {"default": env.database("DATABASE_URL", f"sqlite:///{DATA_DIR / 'levered.sqlite3'}")}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATA_DIR.mkdir(parents=True, exist_ok=True)
    # a thread keeps its connection: whoever closes a file's last one writes the whole WAL back, after every request
    DATABASES["default"]["CONN_MAX_AGE"] = None
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        # FULL: an acknowledged event survives the loss of power, not just of the process
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-20000;",
    }
else:
    DATABASES["default"].setdefault("OPTIONS", {}).update(
        connect_timeout=5,
        # a server that vanished without a word is noticed within seconds, not after two hours
        keepalives_idle=10,
        keepalives_interval=3,
        keepalives_count=3,
        tcp_user_timeout=15_000,
        pool={
            "min_size": 1,
            "max_size": env.integer("LEVERED_DATABASE_POOL", 8, at_least=1),
            "timeout": 5,
            # give up soon and begin anew: the pool's pauses between attempts double, to minutes in a long outage
            "reconnect_timeout": 4,
        },
    )
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- customers' warehouses ------------------------------------------------------------------------------------------
# In a warehouse of one's own nobody tells when a row arrived: younger days are read again, and all at times.
WAREHOUSE_LATENESS_HOURS = env.integer("LEVERED_WAREHOUSE_LATENESS_HOURS", 48)
WAREHOUSE_REREAD_DAYS = env.integer("LEVERED_WAREHOUSE_REREAD_DAYS", 7, at_least=1)
WAREHOUSE_TRAINING_MINUTES = env.integer("LEVERED_WAREHOUSE_TRAINING_MINUTES", 60, at_least=1)
# Without a directory nobody connects a DuckDB file. The two endpoints stand in for the providers' own: private links.
DUCKDB_DIRECTORY = env.text("LEVERED_DUCKDB_DIRECTORY")
SNOWFLAKE_ENDPOINT = env.text("LEVERED_SNOWFLAKE_ENDPOINT")
BIGQUERY_ENDPOINT = env.text("LEVERED_BIGQUERY_ENDPOINT")

# --- cache: counters of the rate limiter; Redis when several processes must share them ------------------------------
REDIS_URL = env.text("REDIS_URL")
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "default"},
    "ratelimit": (
        {
            "BACKEND": "levered_site.api.counters.RedisCounters",
            "LOCATION": REDIS_URL,
            "OPTIONS": {"socket_timeout": 1, "socket_connect_timeout": 1},
        }
        if REDIS_URL
        else {
            "BACKEND": "levered_site.api.counters.MemoryCounters",
            "LOCATION": "ratelimit",
            "OPTIONS": {"MAX_ENTRIES": 100_000},
        }
    ),
}
RATELIMIT_USE_CACHE = "ratelimit"
RATELIMIT_FAIL_OPEN = True  # a dead counter lets traffic through
RATELIMIT_IP_META_KEY = "levered_site.api.throttling.client_ip"
RATE_LIMITS = {
    "api": env.rate("LEVERED_RATE_LIMIT_API", "100/m"),
    "serve": env.rate("LEVERED_RATE_LIMIT_SERVE", "300/m"),
    "ingest": env.rate("LEVERED_RATE_LIMIT_INGEST", "6000/m"),
    "login": env.rate("LEVERED_RATE_LIMIT_LOGIN", "10/m"),
    "token": env.rate("LEVERED_RATE_LIMIT_TOKEN", "30/m"),
}
# LocMem counts exactly in one process; levered_site.checks refuses it for several
SILENCED_SYSTEM_CHECKS = ["django_ratelimit.E003", "django_ratelimit.W001"]
# oauth2_provider.W008: plain http is taken for callbacks on the client's own machine only (levered_site.oauth)
SILENCED_SYSTEM_CHECKS += ["oauth2_provider.W008"]

# --- task queue -----------------------------------------------------------------------------------------------------
# A task is locked from its prefetch on: retry > timeout x (1 + (queue_limit + 1) / workers), or it runs twice.
# A first training reads all there is: ten million exposures take minutes. One statement gets four fifths of this.
TASK_SECONDS = env.integer("LEVERED_TASK_SECONDS", 600, at_least=60)
Q_CLUSTER = {
    "name": "levered",
    "orm": "default",
    "workers": env.integer("LEVERED_WORKERS", 1, at_least=1),
    "timeout": TASK_SECONDS,
    "retry": 5 * TASK_SECONDS,
    "max_attempts": 1,
    "ack_failures": True,
    "queue_limit": 1,
    "bulk": 1,
    "poll": 0.5,
    "catch_up": False,
    "save_limit": 1000,
    "cache": "default",
}
TRAINING_MINUTES = env.integer("LEVERED_TRAINING_MINUTES", 5, at_least=1)
# Guardrails tell admins by e-mail when a mail server is named, and a webhook when one is; invitations are mailed too.
WEBHOOK_URL = env.text("LEVERED_WEBHOOK_URL")
WEBHOOK_SECRET = env.text("LEVERED_WEBHOOK_SECRET")
EMAIL_HOST = env.text("LEVERED_EMAIL_HOST")
EMAIL_PORT = env.integer("LEVERED_EMAIL_PORT", 587, at_least=1)
EMAIL_HOST_USER = env.text("LEVERED_EMAIL_USER")
EMAIL_HOST_PASSWORD = env.text("LEVERED_EMAIL_PASSWORD")
EMAIL_USE_TLS = env.boolean("LEVERED_EMAIL_TLS", True)
EMAIL_TIMEOUT = 10
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if EMAIL_HOST else 'dummy'}.EmailBackend"
DEFAULT_FROM_EMAIL = env.text("LEVERED_EMAIL_FROM", "levered@localhost")
SNAPSHOT_POLL_SECONDS = env.number("LEVERED_SNAPSHOT_POLL_SECONDS", 0.5)

# --- who is who -----------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "organizations.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    "levered_site.organizations.keys.SecretHasher",
]
# tokens of this issuer are taken, wherever an API key is
OIDC_ISSUER = env.text("LEVERED_OIDC_ISSUER").rstrip("/")
OIDC_AUDIENCE = env.words("LEVERED_OIDC_AUDIENCE", [])
OIDC_AUTHORIZED_PARTIES = env.words("LEVERED_OIDC_AUTHORIZED_PARTIES", [])
# with these, people sign in to the dashboard there
OIDC_CLIENT_ID = env.text("LEVERED_OIDC_CLIENT_ID")
OIDC_CLIENT_SECRET = env.text("LEVERED_OIDC_CLIENT_SECRET")
OIDC_SCOPES = env.text("LEVERED_OIDC_SCOPES", "openid email profile")
OIDC_PASSWORDS = env.boolean("LEVERED_OIDC_PASSWORDS", True)
AUTHENTICATION_BACKENDS = [
    "levered_site.organizations.backends.PasswordBackend",
    "levered_site.organizations.backends.IssuerBackend",
]
# without an issuer we are the authorization server of agents ourselves (OAuth 2.1; RFC 9700 says what is safe)
OAUTH2_PROVIDER_APPLICATION_MODEL = "oauth2_provider.Application"
OAUTH_SCOPES = {
    "read": "See optimizations, results, metrics and the events in the warehouse",
    "manage": "Create, change, train, complete and archive optimizations, and change metrics",
}
OAUTH2_PROVIDER: dict[str, Any] = {
    "SCOPES": OAUTH_SCOPES,
    "CLIENT_SECRET_HASHER": "pbkdf2_secret",
    "ACCESS_TOKEN_GENERATOR": "levered_site.organizations.applications.new_token",
    "REFRESH_TOKEN_GENERATOR": "levered_site.organizations.applications.new_token",
    "ACCESS_TOKEN_EXPIRE_SECONDS": 3600,
    "REFRESH_TOKEN_EXPIRE_SECONDS": 30 * 86_400,
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    # agents' callbacks: their own machine, the web, or the editors' own schemes
    "ALLOWED_REDIRECT_URI_SCHEMES": ["https", "http", "cursor", "vscode", "vscode-insiders", "windsurf"],
    "ALLOW_LOCALHOST_LOOPBACK": True,
    "DCR_ENABLED": True,
    "DCR_REGISTRATION_PERMISSION_CLASSES": ["oauth2_provider.dcr.AllowAllDCRPermission"],
    "DCR_REGISTRATION_TOKEN_EXPIRE_SECONDS": 86_400,
    "OAUTH2_RESPONSE_TYPES_SUPPORTED": ["code"],
    "OAUTH2_GRANT_TYPES_SUPPORTED": ["authorization_code", "refresh_token"],
    "OAUTH2_TOKEN_ENDPOINT_AUTH_METHODS_SUPPORTED": ["none", "client_secret_post", "client_secret_basic"],
} | {
    f"COMPLIANT_BCP_RFC9700_{rule}": True
    for rule in (
        "IMPLICIT_GRANT", "PASSWORD_GRANT", "PKCE_METHOD", "PKCE_REQUIRED", "ACCESS_TOKEN_TRANSPORT",
        "AUTHZ_RESPONSE_ISS", "TOKEN_STORAGE", "REFRESH_TOKEN", "REDIRECT_URI_MATCHING",
    )
}  # fmt: skip
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "login"

# --- browser security -----------------------------------------------------------------------------------------------
HTTPS = env.boolean("LEVERED_HTTPS", False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
SESSION_ENGINE = "levered_site.sessions"
SESSION_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "EXCLUDE_URL_PREFIXES": ["/admin/"],  # the admin theme needs eval; its pages are for staff only
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "object-src": ["'none'"],
    },
}

# --- static files ---------------------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = DATA_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# --- API ------------------------------------------------------------------------------------------------------------
APPEND_SLASH = True
MAX_BODY_BYTES = 5 * 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "levered_site.api.authentication.BearerAuthentication",
        "levered_site.api.authentication.DashboardAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["levered_site.api.permissions.ScopePermission"],
    "DEFAULT_THROTTLE_CLASSES": ["levered_site.api.throttling.ApiThrottle"],
    "DEFAULT_PARSER_CLASSES": ["levered_site.api.parsers.JsonParser"],
    "DEFAULT_RENDERER_CLASSES": [
        "levered_site.api.renderers.EnvelopeRenderer",
        "levered_site.api.renderers.BrowsableRenderer",
    ],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "levered_site.api.renderers.Negotiation",
    "EXCEPTION_HANDLER": "levered_site.api.exceptions.exception_handler",
    "DEFAULT_SCHEMA_CLASS": "levered_site.api.schema.EnvelopeSchema",
    "UNAUTHENTICATED_USER": None,
    "COERCE_DECIMAL_TO_STRING": False,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Levered API",
    "DESCRIPTION": "Optimizations, models, metrics, the warehouse and event ingestion of one organization.",
    "VERSION": "2",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v2",
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "OptimizationStatus": "optimizations.states.Status",
        "ModelStatus": "optimizations.states.ModelStatus",
        "ModelType": "optimizations.models.ModelType",
        "GuardrailStatus": "optimizations.models.Guardrail.State",
        "BaselineStatus": ["tracking", "stale"],
        "HealthStatus": ["ok", "warning", "failing", "unknown"],
        "Verdict": ["better", "worse", "no_detectable_change", "too_early"],
        "RewardType": ["bool", "numeric"],
        "AttributionType": ["last_touch"],
        "Role": "levered_site.organizations.models.Role",
        "Scope": "levered_site.organizations.models.Scope",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "optimizations.api.serve_schema.add_public_operations",
        "levered_site.api.schema_details.add_details",
    ],
}
# The two public serve paths answer any origin, without credentials; nothing else does.
CORS_URLS_REGEX = r"^/api/v2/optimizations/([^/]+/serve|best-variant)$"
CORS_ALLOW_ALL_ORIGINS = True
CORS_ALLOW_CREDENTIALS = False
CORS_ALLOW_METHODS = ["POST", "OPTIONS"]
CORS_ALLOW_HEADERS = ["content-type", "authorization", "x-api-key"]
CORS_EXPOSE_HEADERS = ["x-request-id", "retry-after"]
CORS_PREFLIGHT_MAX_AGE = 86_400

UNFOLD = {
    "SITE_TITLE": "Levered",
    "SITE_HEADER": "Levered",
    "SITE_ICON": lambda _: static("img/mark.svg"),
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda _: static("img/mark.svg")}],
    "COLORS": {  # the dashboard's accent
        "primary": {
            "50": "#f5f5ff", "100": "#ebebfe", "200": "#d9dafd", "300": "#bbbcfb",
            "400": "#8b8dff", "500": "#6466f4", "600": "#4b4ded", "700": "#3e3fd1",
            "800": "#3435a8", "900": "#2e3085", "950": "#1c1d52",
        }
    },
}  # fmt: skip

LANGUAGE_CODE = "en"
USE_TZ = True
TIME_ZONE = "UTC"
LOGGING_CONFIG = "logging.config.dictConfig"
LOGGING = logging_settings(
    level=env.text("LEVERED_LOG_LEVEL", "INFO"), as_json=env.text("LEVERED_LOG_FORMAT", "json") == "json"
)
