"""The C backend: from a plan one C program, compiled by the machine's own compiler and loaded."""
