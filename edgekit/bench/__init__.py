"""What a model file costs on this machine: startup, latency, throughput, memory and operators."""
