"""Stand-in for the official Kubernetes plugin 4.32.0: raw objects on a real API server. No Helm, no YAML."""
