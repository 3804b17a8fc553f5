"""Recorded history through the very pipeline of the agent, as fast as it goes.

`recording` reads a file, `timeline` makes process images of it, `play` drives the machines, `foresight` asks
the models in batches, `paper` takes what would have been written, `rows` writes all of it down.
"""
