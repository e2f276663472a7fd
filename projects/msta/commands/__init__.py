"""One module per tool: its parser and a thin action that calls the functions below."""
