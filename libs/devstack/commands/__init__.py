"""The `wanliu` command's groups, one small module each; heavy imports happen inside the commands."""
