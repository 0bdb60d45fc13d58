#!/bin/sh
# Turns a title into a name for a URL: lower case, words joined by single hyphens.
printf '%s\n' "$1" | tr '[:upper:]' '[:lower:]' | tr ' ' '-'
