"""Training runs: options, a folder that holds all there is of one, and how good what came out is."""
