"""What a model file costs on this machine, measured in turn with what it is compared with."""
