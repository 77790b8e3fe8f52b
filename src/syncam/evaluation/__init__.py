"""How good generated videos are: metrics as pure functions, and their evaluation over whole runs."""
