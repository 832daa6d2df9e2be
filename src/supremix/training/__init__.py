"""The two stages, pretrain and adapt, and the loop that both use."""
