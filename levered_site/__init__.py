"""Configuration, tenancy and HTTP plumbing."""

import os

# One request, one core: the matrices are small, and threads of a linear algebra library under threads of a web server
# only wait for each other. Read when numpy is first imported, which is after this.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
