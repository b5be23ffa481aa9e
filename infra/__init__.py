"""What a cluster is and how each environment provides one; knows nothing of what runs inside it."""
