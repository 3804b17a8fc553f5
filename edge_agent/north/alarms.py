"""What a state of an alarm means to whoever only hears its name (`core.alarm.AlarmState`)."""

RAISED = frozenset({"UNACKNOWLEDGED", "ACKNOWLEDGED", "LATCHED_UNACKNOWLEDGED", "LATCHED_ACKNOWLEDGED"})
WAITING = frozenset({"UNACKNOWLEDGED", "RETURNED", "LATCHED_UNACKNOWLEDGED"})
"""States that wait for an acknowledgement."""
