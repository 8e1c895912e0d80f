"""The WSGI application. The URL map and the snapshots are loaded here, so that the first visitor does not wait."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "levered_site.settings")
django_application = get_wsgi_application()

from django.urls import get_resolver  # noqa: E402

get_resolver().url_patterns  # noqa: B018

from levered_site.api.length import with_length  # noqa: E402
from optimizations.api.shortcut import ServeApplication  # noqa: E402
from optimizations.services.snapshots import store  # noqa: E402

application = with_length(ServeApplication(django_application))
store.start()
