"""One JSON object per line on standard error, or readable lines when a person watches."""

import re
from collections.abc import MutableMapping
from typing import Any

import structlog

_shared: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
    structlog.processors.format_exc_info,
]


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_OURS = {"exception", "stack"}  # tracebacks have lines of their own


def printable(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Writes control characters as escapes: what a visitor sends can neither forge a line nor steer a terminal."""
    for key, value in event.items():
        if isinstance(value, str) and key not in _OURS:
            event[key] = _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), value)
    return event


def logging_settings(*, level: str, as_json: bool) -> dict[str, Any]:
    """Django's LOGGING: our events and every library's records leave through one formatter."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    # JSON escapes control characters by itself
    rendering: list[Any] = (
        [structlog.processors.JSONRenderer()] if as_json else [printable, structlog.dev.ConsoleRenderer(colors=False)]
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
                "foreign_pre_chain": _shared,
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django": {"level": level, "handlers": [], "propagate": True},
            # the request line already tells the status; Django's own line would repeat it
            "django.request": {"level": "ERROR"},
            "django.server": {"level": "WARNING", "handlers": [], "propagate": True},
            "sqlglot": {"level": "ERROR"},
            # it tells of every request; refusals are in the answers
            "mcp": {"level": "WARNING"},
        },
    }
