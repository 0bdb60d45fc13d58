import path from 'node:path';
import { z } from 'zod';
import { readStateFile, type TerokPaths, withLock, writeStateFile } from '../core/index.ts';

/** Name → what it was resolved to and when (`ms` since 1970). */
const pinSchema = z.strictObject({ value: z.string(), resolvedAt: z.number() });
const pinsSchema = z.record(z.string(), pinSchema);
type Pin = z.output<typeof pinSchema>;

export interface PinOptions {
  /** How long a pin counts; without end where absent */
  readonly maxAgeMs?: number;
  /** Resolves again, whatever is pinned */
  readonly refresh: boolean;
  readonly now?: () => number;
  /** Told where resolving failed and the old pin is kept */
  readonly onStale?: (error: unknown) => void;
}

/** Gives the pinned value of `name`; resolves it once where it is absent or old. An old pin is better than none when that fails. */
export async function pinned(paths: TerokPaths, name: string, resolve: () => Promise<string>, options: PinOptions): Promise<string> {
  const file = path.join(paths.state, 'images', 'pins.json');
  const now = (options.now ?? Date.now)();
  const pin = (await readStateFile(file, pinsSchema))?.[name];
  const isFresh = pin !== undefined && (options.maxAgeMs === undefined || now - pin.resolvedAt < options.maxAgeMs);
  if (isFresh && !options.refresh) return pin.value;
  try {
    const value = await resolve();
    return await keep(file, name, { value, resolvedAt: now }, pin);
  } catch (error) {
    if (pin === undefined || options.refresh) throw error;
    options.onStale?.(error);
    return pin.value;
  }
}

/** Of several processes that resolve at once, the first decides, so that all build the same image. */
async function keep(file: string, name: string, fresh: Pin, seen: Pin | undefined): Promise<string> {
  return await withLock(file, async () => {
    const pins = (await readStateFile(file, pinsSchema)) ?? {};
    const current = pins[name];
    if (current !== undefined && (current.resolvedAt !== seen?.resolvedAt || current.value !== seen.value)) return current.value;
    await writeStateFile(file, { ...pins, [name]: fresh });
    return fresh.value;
  });
}
