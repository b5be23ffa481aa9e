"""Stand-in for the official plugins of clouds, of `random` and of `tls`: checks inputs, invents outputs, no cloud."""
