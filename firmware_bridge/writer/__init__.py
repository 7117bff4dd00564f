"""The text of what is generated: C source and header, example, README, and the layouts that they are put into."""
