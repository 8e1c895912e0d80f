import pytest
from rest_framework.test import APIClient

from levered_site.organizations.models import Role
from tests.conftest import Tenant, client_with

URL = "/api/v2/api-keys"


@pytest.mark.django_db
class TestApiKeys:
    def test_the_secret_is_shown_once_and_works(self, acme: Tenant, globex: Tenant) -> None:
        made = acme.client.post(URL, {"name": "CI", "scopes": ["read"]})
        assert made.status_code == 201
        secret = made.json()["secret"]
        assert secret.startswith(made.json()["prefix"])
        me = client_with(secret).get("/api/v2/me").json()
        assert me["organization"]["id"] == me["meta"]["organization_id"] == acme.organization.public_id
        assert me["scopes"] == ["read"]
        listed = acme.client.get(URL).json()["api_keys"]
        assert {"all", "CI"} == {k["name"] for k in listed}
        assert secret not in str(listed)
        assert "secret_hash" not in str(listed)

    def test_a_revoked_key_is_refused(self, acme: Tenant) -> None:
        made = acme.client.post(URL, {"name": "CI", "scopes": ["read"]}).json()
        assert acme.client.delete(f"{URL}/{made['id']}").json()["revoked_at"]
        refused = client_with(made["secret"]).get("/api/v2/me")
        assert refused.status_code == 401
        assert refused.json()["error"]["code"] == "unauthenticated"
        assert refused["WWW-Authenticate"] == "Bearer"

    def test_another_organizations_key_is_not_found(self, acme: Tenant, globex: Tenant) -> None:
        key = globex.organization.api_keys.get()
        assert acme.client.delete(f"{URL}/{key.pk}").status_code == 404
        key.refresh_from_db()
        assert key.revoked_at is None

    def test_members_and_viewers_may_not_see_keys(self, acme: Tenant) -> None:
        for role in (Role.MEMBER, Role.VIEWER):
            assert acme.browser(role).get(URL).status_code == 403
        assert acme.browser(Role.ADMIN).get(URL).status_code == 200
        assert acme.with_scopes("read", "ingest").get(URL).status_code == 403

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"scopes": ["read"]}, "name"),
            ({"name": "x", "scopes": []}, "scopes"),
            ({"name": "x", "scopes": ["root"]}, "scopes[0]"),
            ({"name": "x", "scopes": ["read"], "scope": 1}, "scope"),
        ],
    )
    def test_bad_bodies(self, acme: Tenant, body: dict[str, object], field: str) -> None:
        answer = acme.client.post(URL, body)
        assert answer.status_code == 400
        assert field in [d["field"] for d in answer.json()["error"]["details"]]
        assert acme.organization.api_keys.count() == 1

    def test_nobody_is_401(self, anonymous: APIClient, db: None) -> None:
        assert anonymous.get(URL).status_code == 401
