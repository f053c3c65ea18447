"""A peer that does what PEER_DOES says: crashes, hangs, raises, refuses, or talks on stdout while it works."""

import os
import sys
import time

from tests.test_bench.peers import slow_peer
from xent.bench.peers.calls import Refused

CALL = "odd"
DOES = os.environ.get("PEER_DOES")


def variables(threads):
    return {}


def versions():
    return {}


def prepare(task, batch, threads):
    if DOES == "crash":
        sys.stdout.write("a last word\n")
        sys.stdout.flush()
        os._exit(7)
    if DOES == "hang":
        time.sleep(60)
    if DOES == "raise":
        raise ValueError("no such\nluck")
    if DOES == "refuse":
        raise Refused("it does not take Mondays")
    sys.stdout.write('{"seconds": 0}\n')
    sys.stdout.flush()
    return slow_peer.prepare(task, batch, threads)
