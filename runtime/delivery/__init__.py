"""The way of an alert: an event on disk, at the broker, confirmed; and the consumer at the other end."""
