"""Where criteria are measured: in the stack's cluster, or with the same software on this machine."""
