"""Image restoration: denoise, inpaint, upscale, unwatermark."""
