"""`make bench`: the front door alone beside its bare limits, then the whole chain."""

import subprocess
import sys

for name in ("bench.ingest", "bench.pipeline"):
    print(f"\n== {name}", flush=True)
    subprocess.run([sys.executable, "-m", name, *sys.argv[1:]], check=True)
