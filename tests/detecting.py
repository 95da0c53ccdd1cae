"""Detector plug-ins to test with: a distribution in a folder of its own, well and less so."""

from pathlib import Path

PLUG_INS = """
import os
import re
import sys
import time
from types import SimpleNamespace


class Ada:
    def detect(self, text):
        return [SimpleNamespace(start=m.start(), end=m.end(), entity="PERSON")
                for m in re.finditer("Ada", text)]


class Ready:  # misbehaves only when the text says so
    def detect(self, text):
        if text == "slow":
            time.sleep(60)
        if text == "backtrack":
            re.match("(a|a)+$", "a" * 60 + "b")
        if text == "raise":
            raise KeyError("the text: raise")
        if text == "exit":
            sys.exit("the text: exit")
        if text == "crash":
            os.abort()
        if text == "print":
            print("no answer" * 1000, flush=True)
            os.write(2, b"the text: print")
        if text == "huge":
            return [SimpleNamespace(start=0, end=4, entity="X")] * 200_000
        if text == "beyond":
            return [SimpleNamespace(start=0, end=7, entity="X")]
        if text == "backwards":
            return [SimpleNamespace(start=2, end=1, entity="X")]
        if text == "negative":
            return [SimpleNamespace(start=-1, end=1, entity="X")]
        if text == "unnamed":
            return [SimpleNamespace(start=0, end=1, entity="the text: unnamed")]
        if text == "rubbish":
            return ["rubbish"]
        if text == "nothing":
            return None
        return Ada().detect(text)


class Surroundings:
    def detect(self, text):
        return [SimpleNamespace(start=0, end=1, entity=name) for name in os.environ
                if name[0] != "_"]


class FailsToStart:
    def __init__(self):
        raise PermissionError("secret")


class StartsWithItsFile:
    def __init__(self):
        if not os.path.exists(__file__ + ".there"):
            os._exit(1)

    def detect(self, text):
        return []


class NeverStarts:
    def __init__(self):
        time.sleep(60)
"""

ENTRY_POINTS = """
[sealbook.detectors]
ada = plug_ins:Ada
moody = plug_ins:Ready
surroundings = plug_ins:Surroundings
fails_to_start = plug_ins:FailsToStart
starts_with_its_file = plug_ins:StartsWithItsFile
never_starts = plug_ins:NeverStarts
absent = no_such_module:Detector
"""


def write_plug_ins(folder: Path) -> None:
    """The distribution `plug-ins`, importable once `folder` is on the path."""
    (folder / "plug_ins.py").write_text(PLUG_INS)
    about = folder / "plug_ins-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: plug-ins\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(ENTRY_POINTS)
