"""Videos, animations and stacks of frames in and out."""
