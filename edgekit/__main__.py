"""`python -m edgekit`: the command line where its script is not on the path."""

from edgekit.cli.main import script

script()
