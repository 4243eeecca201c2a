"""The networks, one file per paper. `specs` describes them as data; it is the only module here without torch."""
