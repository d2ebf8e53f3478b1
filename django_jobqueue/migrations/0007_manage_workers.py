from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("django_jobqueue", "0006_move")]

    operations = [
        migrations.AlterModelOptions(
            name="worker",
            options={
                "base_manager_name": "objects",
                "default_permissions": ("view",),
                "managed": False,
                "permissions": [
                    ("manage_workers", "Can quiet and stop worker, and see its stacks")
                ],
                "verbose_name": "worker",
                "verbose_name_plural": "workers",
            },
        ),
    ]
