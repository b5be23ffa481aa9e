"""Drift service: compares windows of served predictions with the data that the model was trained on."""
