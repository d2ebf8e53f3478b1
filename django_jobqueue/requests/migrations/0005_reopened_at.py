from typing import Any

from django.db import migrations, models
from django.db.models import F


def fill(apps: Any, schema_editor: Any) -> None:
    rows = apps.get_model("django_jobqueue_requests", "JobRequest").objects
    rows = rows.using(schema_editor.connection.alias)
    rows.filter(tried_at__isnull=False).update(reopened_at=F("tried_at"))
    rows.filter(owner__isnull=False).update(ip=None)


class Migration(migrations.Migration):
    dependencies = [("django_jobqueue_requests", "0004_tried_at")]

    operations = [
        migrations.AddField(
            model_name="jobrequest",
            name="reopened_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="opened again"),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
