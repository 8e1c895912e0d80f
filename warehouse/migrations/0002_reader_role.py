from django.db import migrations

from warehouse.connectors import reader_role


def on_postgres(sql):
    def run(apps, schema_editor):
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(sql, params=None)

    return run


class Migration(migrations.Migration):
    dependencies = [("warehouse", "0001_initial")]
    operations = [
        migrations.RunPython(on_postgres(reader_role.CREATE), on_postgres(reader_role.DROP), elidable=False)
    ]
