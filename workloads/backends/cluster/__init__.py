"""The cluster backend: plain Kubernetes objects are created, followed to their end, read out and removed."""
