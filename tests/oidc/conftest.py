from collections.abc import Iterator

import pytest
from django.conf import LazySettings

from levered_site import sso
from levered_site.api import oidc
from tests.oidc.issuer import AUDIENCE, Issuer


@pytest.fixture
def issuer(settings: LazySettings) -> Iterator[Issuer]:
    running = Issuer()
    settings.OIDC_ISSUER = running.url
    settings.OIDC_AUDIENCE = [AUDIENCE]
    oidc.keys_of.cache_clear()
    sso._registered.cache_clear()
    yield running
    running.stop()
