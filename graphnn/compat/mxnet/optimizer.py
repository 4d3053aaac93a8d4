"""mx.optimizer (to come)."""
