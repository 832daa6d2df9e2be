"""The two stages of a run, pretrain and adapt, and the loop that both use."""
