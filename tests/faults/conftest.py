"""What only `make soak` runs is not collected otherwise."""

import os

collect_ignore = [] if os.environ.get("WANLIU_SOAK") else ["test_mutants_stack.py"]
