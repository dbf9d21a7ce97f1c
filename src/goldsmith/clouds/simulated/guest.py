"""The simulated guest: enough of a command line to test with.

`echo`, `true`, `false` and `cat` do what they do everywhere. Every other command succeeds and says nothing,
since what goldsmith runs in a guest (joining a domain, setting a password) has no effect anyone could see
here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from goldsmith.clouds.port import CommandResult, Refused


def answer(command: Sequence[str], stdin: bytes) -> CommandResult:
    """What `command` (argv) leaves when it is fed `stdin`. `Refused` when there is no command."""
    if not command:
        raise Refused("There is no command to run in the guest: its argument list is empty.")
    program, *arguments = command
    match PurePath(program).name:
        case "echo":
            newline = "\n"
            if arguments[:1] == ["-n"]:
                newline, arguments = "", arguments[1:]
            return CommandResult(0, " ".join(arguments) + newline, "")
        case "false":
            return CommandResult(1, "", "")
        case "cat":
            missing = [name for name in arguments if name != "-"]
            complaints = "".join(f"cat: {name}: No such file or directory\n" for name in missing)
            copied = stdin.decode(errors="replace") if len(missing) < len(arguments) or not arguments else ""
            return CommandResult(1 if missing else 0, copied, complaints)
        case _:
            return CommandResult(0, "", "")
