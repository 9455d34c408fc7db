"""Messages between worker and server: what may cross comes over as it was."""

import pickletools
from multiprocessing import Pipe

from nodes.spec import Place
from server.worker.messages import Wonder, receive, send


def test_members_of_enumerations_cross_by_their_values_alone():
    here, there = Pipe()
    told = Wonder(1, Place.OUTPUT, (Place.TEMP,))
    send(here, told)
    written = there.recv_bytes()
    # Python 3.11.0 to 3.11.3 write a call of `getattr` unless told otherwise, and a server takes no function in
    assert "getattr" not in [part for _op, part, _at in pickletools.genops(written)]
    send(here, told)
    got = receive(there)
    assert got == told and isinstance(got, Wonder) and got.ids[0] is Place.TEMP
