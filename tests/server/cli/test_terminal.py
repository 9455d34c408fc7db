"""What `weft run` shows on a terminal."""

import io

from server.events import JobFailed, NodeDone, NodeFailed, NodeProgressed, NodeStarted, Place
from server.graph.outcome import Failure
from server.graph.run import Ending, Status
from server.headless import Terminal

AT = Place("5", "5", "5")
FAILURE = Failure("It broke.", "Mend it.")


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_a_bar_shows_how_far_a_node_is():
    out, err = io.StringIO(), Tty()
    terminal = Terminal({"5": "KSampler"}, out, err)
    terminal.event(NodeStarted("j", AT))
    terminal.event(NodeProgressed("j", AT, 5, 20))
    assert err.getvalue().endswith(f"\r\x1b[KKSampler [{'#' * 6}{'.' * 18}] 5 / 20")
    terminal.end(Ending(Status.SUCCEEDED, {}, {}, ()), [])
    assert err.getvalue().endswith("\r\x1b[K")
    assert out.getvalue() == ""


def test_into_a_file_only_what_matters_is_written():
    out, err = io.StringIO(), io.StringIO()
    terminal = Terminal({"5": "KSampler"}, out, err)
    terminal.event(NodeStarted("j", AT))
    terminal.event(NodeProgressed("j", AT, 5, 20))
    terminal.event(NodeDone("j", AT, {"text": ["a line"]}))
    terminal.event(NodeFailed("j", AT, "KSampler", FAILURE))
    terminal.event(JobFailed("j", AT, "KSampler", FAILURE, (), 0))
    assert err.getvalue() == "a line\nKSampler failed: It broke.\nMend it.\n"


def test_a_failure_of_no_node_is_said_too():
    err = io.StringIO()
    Terminal({}, io.StringIO(), err).event(JobFailed("j", None, "", FAILURE, (), 0))
    assert err.getvalue() == "It broke.\nMend it.\n"
