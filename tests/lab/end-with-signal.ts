/** Aborts when this process is asked to end, so that what it started ends too and what it made is removed; a second request ends it. */
export function endWithSignal(): AbortSignal {
  const ending = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(name, () => ending.abort(new Error(`The lab was ended by ${name}.`)));
  return ending.signal;
}
