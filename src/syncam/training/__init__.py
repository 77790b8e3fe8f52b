"""Training: recipes, the loop, and the three tasks that make a model (autoencoder, text-to-video, view sync)."""
