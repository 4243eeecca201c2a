"""Reading a plot back."""

from xml.etree import ElementTree

import matplotlib
import pytest


@pytest.fixture
def drawn_texts():
    """A function: all texts in an .svg file that was written during the test."""

    def read(path):
        elements = ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")
        return ["".join(element.itertext()) for element in elements]

    with matplotlib.rc_context({"svg.fonttype": "none"}):  # text instead of outlines
        yield read
