from typing import Any, cast

from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from levered_site.api.authentication import TenantRequest
from levered_site.organizations.principals import Principal


class ScopePermission(BasePermission):
    """Reads need `read`, writes the view's `write_scope`; a view names one for both in `required_scope`."""

    def has_permission(self, request: Request, view: Any) -> bool:
        principal = cast(TenantRequest, request).user
        if not isinstance(principal, Principal):
            return False  # DRF answers 401
        by_method = "read" if request.method in SAFE_METHODS else getattr(view, "write_scope", "manage")
        scope = getattr(view, "required_scope", None) or by_method
        if not principal.may(scope):
            raise PermissionDenied(f"This needs the '{scope}' scope, which your credential does not have.")
        return True
