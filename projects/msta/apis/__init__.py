"""What tools and Python users call. Import its modules: this package itself loads nothing."""
