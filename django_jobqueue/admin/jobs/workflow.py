"""The workflow of a job on its page: parents, children, and all of it in the order of its steps."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from django_jobqueue.admin import display
from django_jobqueue.admin.links import page_link
from django_jobqueue.admin.live import LiveModelAdmin
from django_jobqueue.diagnosis.workflow_tree import Line, Tree, more, read_tree, summary
from django_jobqueue.engine import get_engine
from django_jobqueue.models import Job


class JobWorkflowMixin(LiveModelAdmin[Job]):
    """Add the workflow to the page of a job."""

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        row = context["original"]
        tree = read_tree(get_engine(row.alias), row.snapshot) if row.snapshot.flow else None
        if tree is not None:
            context["workflow"] = self._workflow(tree)
        return super().render_change_form(request, context, *args, **kwargs)

    def _workflow(self, tree: Tree) -> dict[str, Any]:
        parts = ((_("Before it"), tree.parents), (_("After it"), tree.children))
        tables = [(title, lines) for title, lines in parts if lines]
        tables.append((_("All of it"), tree.lines))
        return {
            "summary": summary(tree.record),
            "tables": [(title, list(self._rows(lines, tree.own))) for title, lines in tables],
        }

    def _rows(self, lines: Iterable[Line], own: int) -> Iterator[dict[str, Any]]:
        for line in lines:
            one = line.member
            if one is None:
                yield {"depth": line.depth, "text": more(line)}
                continue
            name = display.short_task(one.task, display.NARROW_NAME) if one.task else _("trimmed")
            is_own = one.number == own
            link = name if is_own or not one.task else page_link(self.admin_site, Job, one.id, name)
            state = display.state_badge(one.state) if one.state else display.NOTHING
            yield {"depth": line.depth, "link": link, "state": state, "is_own": is_own}
