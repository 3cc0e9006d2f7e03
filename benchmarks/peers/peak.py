"""Run a command: python peak.py COMMAND ... Its seconds, and the most memory it held.

A process of its own and a small one: Linux counts what the starting process holds as the started one's too.
"""

import json
import os
import subprocess
import sys
import time

began = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=sys.stderr)
_, status, usage = os.wait4(process.pid, 0)
if code := os.waitstatus_to_exitcode(status):
    sys.exit(f"exit code {code} of {' '.join(sys.argv[1:])}")
unit = 1 if sys.platform == "darwin" else 1024
print(json.dumps({"seconds": time.perf_counter() - began, "peak_bytes": usage.ru_maxrss * unit}))
