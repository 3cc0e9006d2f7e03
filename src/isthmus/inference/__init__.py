"""Applying a trained model: open inputs, run tiles, batches and processes, write outputs."""
