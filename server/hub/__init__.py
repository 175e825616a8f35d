"""Stories in memory: state, readers, what each is owed, and the numbers about it; pure."""
