"""Starts a command at a terminal, closes the terminal, and sees whether the command ends: `closed_terminal.py SIGN COMMAND ARGUMENT…`.

The terminal is closed when the command has shown SIGN. A command that is still there 20 seconds later is ended, and that is a failure.
"""

import os
import pty
import signal
import sys
import time

sign, command = sys.argv[1].encode(), sys.argv[2:]
child, terminal = pty.fork()
if child == 0:
    os.execv(command[0], command)
shown = b""
while sign not in shown:
    try:
        part = os.read(terminal, 4096)
    except OSError:
        part = b""
    if not part:
        os.waitpid(child, 0)
        sys.exit(f"it ended before it had shown that: {shown.decode(errors='replace')}")
    shown += part
os.close(terminal)
for _ in range(400):
    ended, status = os.waitpid(child, os.WNOHANG)
    if ended:
        sys.exit(os.waitstatus_to_exitcode(status))
    time.sleep(0.05)
os.kill(child, signal.SIGKILL)
os.waitpid(child, 0)
sys.exit("it is still running")
