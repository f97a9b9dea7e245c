"""The command `duto`: what a program does by the SDK, from a shell. Every other package is below it."""
