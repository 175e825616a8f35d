"""The command line: what is asked, done and told at a terminal. It never decides what a change does: the Desk does."""
