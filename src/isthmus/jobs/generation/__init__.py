"""Generation: new items from a prior over the codes of a trained autoencoder."""
