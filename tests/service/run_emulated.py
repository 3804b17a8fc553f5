"""``edge-agent`` on an emulated processor: argv is the emulator's runner, then the agent's own arguments.

A program for another processor cannot be started by its name, so the child is started by the runner, too.
"""

import sys

from edge_agent.cli import main

sys.executable = sys.argv[1]
main(sys.argv[2:], prog_name="edge-agent")
