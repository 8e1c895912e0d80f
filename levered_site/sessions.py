"""Sessions in the database, asked for by keys that can be ours only."""

from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import VALID_KEY_CHARS

_KNOWN = frozenset(VALID_KEY_CHARS)


class SessionStore(db.SessionStore):
    """A cookie may hold any text, also such as PostgreSQL refuses: what cannot be a key is no session."""

    def _validate_session_key(self, key: str | None) -> bool:
        return key is not None and 8 <= len(key) <= 40 and _KNOWN.issuperset(key)
