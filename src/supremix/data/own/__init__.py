"""A user's own files, as they are, made into data to train on: tables, images, volumes, signals and texts."""
