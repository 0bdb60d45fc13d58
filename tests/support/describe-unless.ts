import { describe } from 'vitest';

/** A suite that is skipped where there is a reason, which becomes part of its name; an error where Podman is required. */
export function describeUnless(reason: string | undefined, title: string, body: () => void): void {
  if (reason === undefined) describe(title, body);
  else if (process.env.TEROK_REQUIRE_PODMAN === '1') throw new Error(`TEROK_REQUIRE_PODMAN=1, but ${reason}`);
  else describe.skip(`${title} (skipped: ${reason})`, body);
}
