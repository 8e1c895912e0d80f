"""Who uses the product: organizations, their users and their API keys."""

import secrets
import uuid
from typing import Any, ClassVar

from django.contrib.auth.base_user import BaseUserManager
from django.contrib.auth.models import AbstractUser
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils import timezone
from oauth2_provider.models import Application


def new_organization_id() -> str:
    return f"org_{secrets.token_hex(12)}"


def new_publishable_key() -> str:
    return f"pk_{secrets.token_urlsafe(24)}"


class Organization(models.Model):
    """A tenant. Everything else belongs to exactly one."""

    public_id = models.CharField(max_length=40, unique=True, default=new_organization_id, editable=False)
    name = models.CharField(max_length=200)
    publishable_key = models.CharField(
        max_length=60,
        unique=True,
        default=new_publishable_key,
        editable=False,
        help_text="Names the organization on best-variant; safe in a browser.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **extra: Any) -> "User":
        user = self.model(email=self.normalize_email(email).lower(), **extra)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def get_by_natural_key(self, email: str | None) -> "User":
        return self.get(email=(email or "").lower())  # addresses are stored in lower case

    def create_superuser(self, email: str, password: str | None = None, **extra: Any) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **extra)


class User(AbstractUser):
    """A person, who signs in with an e-mail address."""

    username = None  # type: ignore[assignment]
    email = models.EmailField(unique=True)
    organizations: "models.ManyToManyField[Organization, Membership]" = models.ManyToManyField(
        Organization, through="Membership", related_name="users"
    )

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]

    def __str__(self) -> str:
        return self.email


class Role(models.TextChoices):
    ADMIN = "admin", "Admin: everything"
    MEMBER = "member", "Member: everything but keys, connections and members"
    VIEWER = "viewer", "Viewer: reads only"


class Membership(models.Model):
    public_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.MEMBER)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["user", "organization"], name="one_membership_per_organization")]

    def __str__(self) -> str:
        return f"{self.user} in {self.organization} ({self.role})"


class Invitation(models.Model):
    """Somebody who may join. The row ends when it is taken or withdrawn; only a hash of the link's secret is stored."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField()
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.MEMBER)
    secret_hash = models.CharField(max_length=64, unique=True, editable=False)
    created_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()

    class Meta:
        ordering = ["-created_at"]
        constraints = [models.UniqueConstraint(fields=["organization", "email"], name="one_invitation_per_address")]

    def __str__(self) -> str:
        return f"{self.email} to {self.organization} ({self.role})"

    @property
    def expired(self) -> bool:
        return self.expires_at <= timezone.now()


class _External(models.Model):
    """Whom an identity provider means by an id. Two issuers may use the same id for different people."""

    issuer = models.CharField(max_length=255)
    external_id = models.CharField(max_length=255)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True


class ExternalUser(_External):
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="external_ids")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["issuer", "external_id"], name="one_user_per_external_id")]

    def __str__(self) -> str:
        return f"{self.external_id} of {self.issuer}"


class ExternalOrganization(_External):
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="external_ids")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["issuer", "external_id"], name="one_organization_per_external_id")
        ]

    def __str__(self) -> str:
        return f"{self.external_id} of {self.issuer}"


class Scope(models.TextChoices):
    INGEST = "ingest", "Send events"
    READ = "read", "Read everything"
    MANAGE = "manage", "Change everything"


class ApiKey(models.Model):
    """A machine's credential. Only a hash of the secret is stored; `prefix` finds the row."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=200)
    prefix = models.CharField(max_length=20, unique=True, editable=False)
    secret_hash = models.CharField(max_length=64, editable=False)
    scopes = models.JSONField(default=list)
    created_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class ConnectedApplication(models.Model):
    """A client, such as an agent's, that a person lets act for them in one organization.

    A client serves one organization at a time: allowing it for another one moves it there.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="connected_applications")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="connected_applications")
    application = models.ForeignKey(Application, on_delete=models.CASCADE, related_name="connections")
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    scopes: list[str]  # of its tokens, as `applications.list_connections` found them

    class Meta:
        ordering = ["-created_at"]
        constraints = [models.UniqueConstraint(fields=["user", "application"], name="one_organization_per_client")]

    def __str__(self) -> str:
        return f"{self.application} of {self.user}"


class AuditEntry(models.Model):
    """One change: who did what, through which door. Written in the transaction of the change; never changed itself.

    Whoever did it is also kept as text: the entry outlives users and keys.
    """

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="audit_entries")
    created_at = models.DateTimeField(auto_now_add=True)
    actor = models.CharField(max_length=300)
    actor_kind = models.CharField(max_length=10)
    user = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    api_key = models.ForeignKey(ApiKey, null=True, on_delete=models.SET_NULL, related_name="+")
    door = models.CharField(max_length=10)
    request_id = models.CharField(max_length=60, blank=True, default="")
    action = models.CharField(max_length=60)
    object_type = models.CharField(max_length=40)
    object_id = models.CharField(max_length=60)
    object_name = models.CharField(max_length=300)
    before = models.JSONField(null=True, encoder=DjangoJSONEncoder)
    after = models.JSONField(null=True, encoder=DjangoJSONEncoder)

    class Meta:
        ordering = ["-pk"]
        verbose_name_plural = "audit log"
        indexes = [models.Index(fields=["organization", "-id"], name="audit_log_by_organization")]

    def __str__(self) -> str:
        return f"{self.actor}: {self.action} {self.object_name}"
