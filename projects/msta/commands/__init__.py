"""The tools: one module each, with its parser and a thin action that calls the functions below."""
