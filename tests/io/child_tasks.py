"""What may happen in a child process: tasks for test_child.py."""

import ctypes
import os
import sys
import time

import numpy as np
from mesh_cases import sample

from meshop.io._files import Fault


def answer(path, **options):
    arrays = [np.arange(6.0).reshape(2, 3), np.array(["a", "ö"]), np.empty((0, 3), np.uint8)]
    return {"mesh": sample(), "list": arrays, "options": options, "size": path.stat().st_size}


def prints(path):
    print("standard output")
    os.write(1, b"x" * 100_000)
    os.write(2, b"y" * 100_000)
    return sys.stdin.read()


def raises(path):
    raise ZeroDivisionError("no good")


def faults(path):
    raise Fault("row 3", "it is bad", "mend it")


def exits(path):
    sys.exit("told to leave")


def exits_at_once(path):
    os._exit(7)


def crashes(path):
    ctypes.string_at(0)


def aborts(path):
    os.abort()


def loops(path):
    while True:
        pass


def sleeps(path):
    time.sleep(1000)


def has_children(path):
    if os.fork():
        time.sleep(1000)
    else:
        time.sleep(8)
        path.write_text("a child of the child is alive")


def hoards(path):
    return [bytearray(1 << 24) for _ in range(1 << 12)]


def hoards_at_once(path):
    return np.ones(1 << 36, np.uint8)


def fills_the_disk(path):
    with open(path.with_name("much"), "wb") as file:
        for _ in range(1 << 12):
            file.write(bytes(1 << 20))


def odd_answer(path):
    return {"a": object()}


def objects(path):
    return np.array([object()])
