"""The networks: one paper, one file. `specs` describes them as data and is the only module here without torch."""
