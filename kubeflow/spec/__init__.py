"""What a human decides about each part of the platform, as frozen plain values: one module a part."""
