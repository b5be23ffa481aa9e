"""What a human decides, and the composition root that turns decisions into resources and outputs."""
