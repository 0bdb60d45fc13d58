#!/bin/sh
# Tests of slug.sh; ends with the number of failures.
failures=0
check() {
  actual=$(sh ./slug.sh "$1")
  if [ "$actual" = "$2" ]; then
    echo "ok      '$1' -> '$2'"
  else
    echo "FAILED  '$1' -> '$actual', expected '$2'"
    failures=$((failures + 1))
  fi
}
check 'Hello World' 'hello-world'
check 'Two  spaces' 'two-spaces'
check 'What, really?' 'what-really'
exit "$failures"
