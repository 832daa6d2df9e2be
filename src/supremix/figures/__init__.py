"""Figures, drawn from stored runs only; a specification (conf/figure/) says which runs, as a table's does."""

from supremix.errors import needs

needs("matplotlib", "plots")
