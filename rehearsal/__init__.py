"""The world without a cloud: stand-ins for plugins that cannot be had offline. Imports nothing of the rest."""
