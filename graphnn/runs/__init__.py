"""Training runs: options, a folder that holds all there is of one, and the epochs between."""
