"""The command ``supremix``: one module a sub-command."""
