"""Pages of HTML that stand alone: text, tables and pictures in one file."""
