"""The way of an input through a trained model: open, tile, share out over processes, write."""
