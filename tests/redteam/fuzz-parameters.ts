/** How long a fuzzer looks, and where it begins: `TEROK_FUZZ_SEED=<seed>` runs a failure again, `TEROK_FUZZ_SECONDS=<n>` looks longer. */
export function fuzzParameters(usualSeconds: number) {
  const seconds = Number(process.env['TEROK_FUZZ_SECONDS'] ?? usualSeconds);
  const seed = process.env['TEROK_FUZZ_SEED'];
  const parameters = {
    numRuns: 1_000_000,
    interruptAfterTimeLimit: seconds * 1_000,
    markInterruptAsFailure: false,
    ...(seed === undefined ? {} : { seed: Number(seed) }),
  };
  return { parameters, timeoutMs: seconds * 1_000 + 60_000 };
}
