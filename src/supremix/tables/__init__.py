"""Tables: one specification (conf/table/) drives the planner, the launcher and the renderer."""
