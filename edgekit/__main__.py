"""`python -m edgekit`: the command line, if its script is not on the path."""

from edgekit.cli.main import script

script()
