"""The store on disk: what a run writes, whole or not at all."""
