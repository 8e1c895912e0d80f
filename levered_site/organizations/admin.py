from typing import TYPE_CHECKING

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from levered_site.organizations.audited_admin import AuditedAdmin
from levered_site.organizations.models import ApiKey, AuditEntry, Membership, Organization, User
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
    list_display = ["name", "public_id", "created_at"]
    search_fields = ["name", "public_id"]
    readonly_fields = ["public_id", "publishable_key", "created_at"]
    inlines = [MembershipInline]


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


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin):
    """Keys are made where their secret can be shown once: in the dashboard or by the API."""

    list_display = ["name", "organization", "prefix", "scopes", "created_at", "last_used_at", "revoked_at"]
    list_filter = ["organization"]
    list_select_related = ["organization"]
    search_fields = ["name", "prefix"]
    readonly_fields = [
        "organization", "name", "prefix", "scopes", "created_by", "created_at", "last_used_at", "revoked_at",
    ]  # fmt: skip
    exclude = ["secret_hash"]
    actions = ["revoke"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.action(description="Revoke the selected keys")
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        for key in queryset.select_related("organization"):
            revoke_api_key(key.organization, key_id=key.pk)


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
