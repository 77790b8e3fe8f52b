"""Processes whose peak memory is their own."""


def apart(*command: str) -> list[str]:
    """The command, started by a shell: what a large process starts by itself counts as large as that was."""
    return ["sh", "-c", '"$@"; exit $?', "sh", *command]
