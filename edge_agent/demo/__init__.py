"""The demonstration: the whole chain against the simulated plant, in one command."""
