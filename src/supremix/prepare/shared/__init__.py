"""What the preparations of several datasets share."""
