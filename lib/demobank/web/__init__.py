"""What customers do in app and web."""
