"""Judges a finished stack from outside, from the stack's outputs alone; imports no cloud and no Pulumi."""
