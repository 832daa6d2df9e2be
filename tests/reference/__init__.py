"""The losses as loops over anchors, pairs and mixtures: slow and literal, to hold the fast versions to."""
