"""What is run in clusters: builders of plain Kubernetes objects, and the scripts that a ConfigMap delivers to them."""
