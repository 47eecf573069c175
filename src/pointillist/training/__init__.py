"""Networks, losses, ways to learn, and the training run."""
