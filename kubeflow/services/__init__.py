"""Data services of the platform: databases, object stores, MLflow, Feast, model registries. One module a service."""
