"""Scenarios: what a file may say (`model`, `events`), how it is read, and what follows from it for a seed (`plan`)."""
