from django.db import migrations


class Migration(migrations.Migration):
    """What students hand in are requests."""

    dependencies = [("homework", "0001_initial")]

    operations = [migrations.DeleteModel(name="Submission")]
