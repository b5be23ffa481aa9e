"""What runs in a cluster: the platform and its tenants. Never names a cloud; knows a cluster by its contract only."""
