"""Stand-in for the official Python language host: programs, policy packs, dynamic providers. Builds no environment."""
