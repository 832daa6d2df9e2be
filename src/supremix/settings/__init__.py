"""From the composed config to objects, and to the identity of a run."""
