"""Commands of `edge-agent`, a file for each or for a group; what one needs is imported when it runs."""
