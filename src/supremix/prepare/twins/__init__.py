"""Generate twins: synthetic raw files in the on-disk format of data that cannot be handed out."""
