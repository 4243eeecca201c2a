"""`edgekit predict`: the command, its options, what it runs and what it prints."""
