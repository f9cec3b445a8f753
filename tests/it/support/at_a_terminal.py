"""Runs a command at a terminal: `at_a_terminal.py ANSWER COMMAND ARGUMENT…`.

Where the command asks `[y/N]`, it is given the answer. What the terminal shows goes to stdout, and the command's exit code is this one's.
"""

import os
import pty
import sys

answer, command = sys.argv[1].encode(), sys.argv[2:]
child, terminal = pty.fork()
if child == 0:
    os.execv(command[0], command)
shown, answered = b"", False
while True:
    try:
        part = os.read(terminal, 4096)
    except OSError:
        break
    if not part:
        break
    shown += part
    if b"[y/N]" in shown and not answered:
        answered = True
        os.write(terminal, answer + b"\n")
sys.stdout.buffer.write(shown)
sys.stdout.flush()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
