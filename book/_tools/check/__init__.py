"""What takes longer than a test: ranges of parameters, kernels of the processor, claims, run times."""
