"""Denoise, remove watermarks, inpaint, upscale."""
