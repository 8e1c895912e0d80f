from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from oauth2_provider.models import AccessToken, Application, Grant, IDToken, RefreshToken
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from levered_site.organizations import audit
from levered_site.organizations.applications import end
from levered_site.organizations.audited_admin import AuditedAdmin
from levered_site.organizations.models import ApiKey, AuditEntry, ConnectedApplication, Membership, Organization, User
from levered_site.organizations.services import revoke_api_key

if TYPE_CHECKING:
    UserBase = DjangoUserAdmin[User]
else:
    UserBase = DjangoUserAdmin


class MembershipInline(TabularInline):
    model = Membership
    extra = 0
    autocomplete_fields = ["user", "organization"]


@admin.register(Organization)
class OrganizationAdmin(AuditedAdmin):
    list_display = ["name", "public_id", "members", "live_keys", "created_at"]
    list_filter = ["created_at"]
    search_fields = ["name", "public_id"]
    readonly_fields = ["public_id", "publishable_key", "created_at"]
    inlines = [MembershipInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Organization]:
        live = Count("api_keys", filter=Q(api_keys__revoked_at=None), distinct=True)
        counted: QuerySet[Organization] = super().get_queryset(request)
        return counted.annotate(members_count=Count("memberships", distinct=True), live_keys_count=live)

    @admin.display(description="Members", ordering="members_count")
    def members(self, obj: Any) -> int:
        return int(obj.members_count)

    @admin.display(description="API keys in use", ordering="live_keys_count")
    def live_keys(self, obj: Any) -> int:
        return int(obj.live_keys_count)


@admin.register(User)
class UserAdmin(UserBase, AuditedAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    ordering = ["email"]
    list_display = ["email", "first_name", "last_name", "is_staff", "last_login"]
    search_fields = ["email", "first_name", "last_name"]
    inlines = [MembershipInline]
    fieldsets = [
        (None, {"fields": ["email", "password"]}),
        ("Person", {"fields": ["first_name", "last_name"]}),
        ("Permissions", {"fields": ["is_active", "is_staff", "is_superuser", "groups", "user_permissions"]}),
        ("Dates", {"fields": ["last_login", "date_joined"]}),
    ]
    add_fieldsets = [(None, {"classes": ["wide"], "fields": ["email", "usable_password", "password1", "password2"]})]

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """A page of its own, which saves by itself."""
        known = User.objects.filter(pk=id).values_list("password", flat=True)
        with transaction.atomic():
            before = known.first()
            response = super().user_change_password(request, id, form_url)
            if known.first() != before:
                for user in User.objects.filter(pk=id):
                    for organization in user.organizations.all():
                        audit.record(organization, "user.password_changed", user)
        return response


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin):
    """Keys are made where their secret can be shown once: in the dashboard or by the API."""

    list_display = ["name", "organization", "prefix", "may", "state", "created_at", "last_used_at"]
    list_filter = [("revoked_at", admin.EmptyFieldListFilter), "organization"]
    list_select_related = ["organization"]
    search_fields = ["name", "prefix"]
    readonly_fields = [
        "organization", "name", "prefix", "scopes", "created_by", "created_at", "last_used_at", "revoked_at",
    ]  # fmt: skip
    exclude = ["secret_hash"]
    actions = ["revoke"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        return False  # revoking ends a key and leaves an entry

    @admin.display(description="Scopes")
    def may(self, obj: ApiKey) -> str:
        return ", ".join(obj.scopes)

    @display(description="State", ordering="revoked_at", label={"In use": "success", "Revoked": "danger"})  # type: ignore[untyped-decorator]
    def state(self, obj: ApiKey) -> str:
        return "Revoked" if obj.revoked_at else "In use"

    @admin.action(description="Revoke the selected keys")
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        for key in queryset.select_related("organization"):
            revoke_api_key(key.organization, key_id=key.pk)


for _model in (Application, AccessToken, RefreshToken, Grant, IDToken):
    admin.site.unregister(_model)  # clients register themselves; what they may do is shown below, in words


@admin.register(ConnectedApplication)
class ConnectedApplicationAdmin(ModelAdmin):
    """Only the person themselves can allow an application anything; staff can end it."""

    list_display = ["application", "user", "organization", "created_at", "last_used_at"]
    list_filter = ["organization"]
    list_select_related = ["application", "user", "organization"]
    search_fields = ["application__name", "user__email"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: ConnectedApplication | None = None) -> bool:
        return False

    def delete_model(self, request: HttpRequest, obj: ConnectedApplication) -> None:
        end(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[ConnectedApplication]) -> None:
        for connection in queryset.select_related("organization"):
            end(connection)


@admin.register(AuditEntry)
class AuditEntryAdmin(ModelAdmin):
    """Read only, for everybody: a log that can be changed proves nothing."""

    list_display = ["created_at", "organization", "actor", "door", "action", "object_name", "request_id"]
    list_filter = ["door", "action", "organization"]
    list_select_related = ["organization"]
    search_fields = ["actor", "object_name", "object_id", "request_id"]
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: AuditEntry | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: AuditEntry | None = None) -> bool:
        return False
