"""Settings > API keys."""

import pytest

from levered_site.organizations.models import ApiKey
from tests.conftest import Tenant, client_with
from tests.dashboard.conftest import SignIn

pytestmark = pytest.mark.django_db
URL = "/settings/api-keys"


def test_a_new_secret_is_shown_once_and_works(sign_in: SignIn, acme: Tenant, globex: Tenant) -> None:
    browser = sign_in(acme)
    answer = browser.post(URL, {"name": "Website", "scopes": ["ingest", "read"]})
    secret = answer.context["created"]["secret"]
    assert answer.status_code == 200
    assert secret in answer.content.decode()
    assert "no-store" in answer.headers["Cache-Control"]
    assert secret not in browser.get(URL).content.decode()
    assert "Website" in browser.get(URL).content.decode()
    assert client_with(secret).get("/api/v2/optimizations").status_code == 200
    key = ApiKey.objects.get(name="Website")
    assert (key.organization, key.scopes, key.created_by) == (acme.organization, ["ingest", "read"], acme.user())
    assert "Website" not in sign_in(globex).get(URL).content.decode()


def test_errors_stand_at_their_fields_and_nothing_typed_is_lost(sign_in: SignIn, acme: Tenant) -> None:
    before = ApiKey.objects.count()
    answer = sign_in(acme).post(URL, {"name": "Website"})
    assert answer.status_code == 400
    assert answer.context["form"].errors == {"scopes": ["Choose at least one scope."]}
    assert 'value="Website"' in answer.content.decode()
    assert sign_in(acme).post(URL, {"name": "x", "scopes": ["root"]}).status_code == 400
    assert ApiKey.objects.count() == before


def test_revoking_ends_the_key_and_leaves_it_in_the_list(sign_in: SignIn, acme: Tenant, globex: Tenant) -> None:
    secret = sign_in(acme).post(URL, {"name": "Website", "scopes": ["read"]}).context["created"]["secret"]
    key = ApiKey.objects.get(name="Website")
    assert sign_in(globex).post(f"{URL}/{key.pk}/revoke").status_code == 404
    assert client_with(secret).get("/api/v2/optimizations").status_code == 200
    answer = sign_in(acme).post(f"{URL}/{key.pk}/revoke", follow=True)
    assert "“Website” is revoked." in answer.content.decode()
    assert "Revoked" in answer.content.decode()
    assert client_with(secret).get("/api/v2/optimizations").status_code == 401
