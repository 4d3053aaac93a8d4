"""Graph to graph: each pass is a function from outputs to outputs."""
