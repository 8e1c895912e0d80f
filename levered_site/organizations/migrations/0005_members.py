import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def number(apps, schema_editor):
    """Every membership gets an id of its own: the default is worked out once for all rows."""
    memberships = apps.get_model("organizations", "Membership").objects
    for pk in memberships.values_list("pk", flat=True):
        memberships.filter(pk=pk).update(public_id=uuid.uuid4())


class Migration(migrations.Migration):

    dependencies = [
        ("organizations", "0004_connected_applications"),
    ]

    operations = [
        migrations.AddField("membership", "public_id", models.UUIDField(null=True, editable=False)),
        migrations.RunPython(number, migrations.RunPython.noop),
        migrations.AlterField(
            "membership", "public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)
        ),
        migrations.CreateModel(
            name="Invitation",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("email", models.EmailField(max_length=254)),
                (
                    "role",
                    models.CharField(
                        choices=[
                            ("admin", "Admin: everything"),
                            ("member", "Member: everything but keys, connections and members"),
                            ("viewer", "Viewer: reads only"),
                        ],
                        default="member",
                        max_length=10,
                    ),
                ),
                ("secret_hash", models.CharField(editable=False, max_length=64, unique=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("expires_at", models.DateTimeField()),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="invitations",
                        to="organizations.organization",
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at"],
                "constraints": [
                    models.UniqueConstraint(fields=("organization", "email"), name="one_invitation_per_address")
                ],
            },
        ),
    ]
