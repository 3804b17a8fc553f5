"""Pure logic: never awaits, sleeps, reads a clock, opens a file or logs."""
