"""Decode raw files: images, volumes and words."""
