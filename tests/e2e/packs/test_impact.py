"""Impact Pack's scripts on the canvas: pickers that follow choices, the editor of masks by points."""

from tests.e2e.canvas import Canvas
from tests.e2e.packs.real import MARKS, failures, placed
from tests.e2e.test_extensions import view

pytestmark = MARKS


def test_impact_follows_what_a_person_chooses(four: Canvas):
    node = placed(four, "ImpactWildcardProcessor")
    assert view(four, node, "node.widgets.length") >= 5
    assert failures(four) == {}
