import { z } from 'zod';
import type { ProcessIdentity } from './process-identity.ts';

/** A process in a file of terok's state; apart, because not every program that identifies processes reads such files. */
export const processIdentitySchema: z.ZodType<ProcessIdentity> = z.strictObject({
  pid: z.int(),
  startTime: z.string(),
  bootId: z.string(),
});
