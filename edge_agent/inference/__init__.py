"""Running a model in a process of its own, so that a bad model can hurt nothing but itself."""
