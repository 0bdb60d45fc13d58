/*
 * Scope: reading the record of decisions that a bottle's gateway writes. Out of scope: whether the record is genuine (`verifyAudit`).
 * Fail-safe direction: what a bottle chose stays data; a line that does not parse is left out, and `terok audit verify` names it.
 */
import { existsSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { ignoreCodes, parseJson } from '../core/index.ts';
import { grantCommand } from '../sidecars/egress/index.ts';
import type { EgressLogEntry } from './egress-api.ts';

const POLL_MS = 100;
/** The gateway keeps five files of 8 MiB; more than this of them is not read at once. */
const MAX_READ_BYTES = 8 * 1024 * 1024;
const MAX_OLDER = 8;

const line = z.object({
  sequence: z.number(),
  time: z.string(),
  kind: z.string(),
  decision: z.enum(['allow', 'deny']),
  host: z.string().optional(),
  target: z.string().optional(),
  port: z.number().optional(),
  method: z.string().optional(),
  path: z.string().optional(),
  route: z.string().optional(),
  reason: z.string().optional(),
});

/** Kinds that say how something ended, not whether it was allowed. */
const NOT_DECISIONS = new Set(['end', 'policy', 'audit-repaired']);
/** Refusals that a rule would change. */
const FIXABLE = new Set([
  'host-not-allowed',
  'host-blocked',
  'port-not-allowed',
  'method-not-allowed',
  'path-not-allowed',
  'tenant-not-allowed',
  'query-not-allowed',
  'header-not-allowed',
]);

/** The last decisions, oldest first; older files are read as far as they are needed. */
export async function readDecisions(
  file: string,
  slug: string,
  { limit, deniedOnly }: { readonly limit: number; readonly deniedOnly: boolean },
): Promise<readonly EgressLogEntry[]> {
  let found: readonly EgressLogEntry[] = [];
  for (let age = 0; age <= MAX_OLDER && found.length < limit; age += 1) {
    const part = age === 0 ? file : `${file}.${age}`;
    if (age > 0 && !existsSync(part)) break;
    const { text } = await readFrom(part, 0);
    found = [...entriesOf(text, slug).filter(({ decision }) => !deniedOnly || decision === 'deny'), ...found];
  }
  return found.slice(-limit);
}

/** Decisions as they are made, until the signal. */
export async function* followDecisions(file: string, slug: string, signal: AbortSignal): AsyncGenerator<EgressLogEntry> {
  let at = (await readFrom(file, Number.MAX_SAFE_INTEGER)).end;
  let rest = '';
  while (!signal.aborted) {
    const { text, end, size } = await readFrom(file, at);
    // A smaller file is a new one: the old one was put aside
    const isNew = size < at;
    if (isNew) rest = '';
    const chunk = rest + (isNew ? '' : text);
    at = isNew ? 0 : end;
    const cut = chunk.lastIndexOf('\n') + 1;
    rest = chunk.slice(cut);
    yield* entriesOf(chunk.slice(0, cut), slug);
    if (!isNew) await sleep(POLL_MS, undefined, { signal }).catch(() => undefined);
  }
}

async function readFrom(file: string, at: number): Promise<{ readonly text: string; readonly end: number; readonly size: number }> {
  const handle = await ignoreCodes(['ENOENT'], () => open(file));
  if (handle === undefined) return { text: '', end: 0, size: 0 };
  try {
    const { size } = await handle.stat();
    const from = Math.min(size, Math.max(at, at === 0 ? size - MAX_READ_BYTES : 0));
    const buffer = Buffer.alloc(Math.min(size - from, MAX_READ_BYTES));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, from);
    return { text: buffer.toString('utf8', 0, bytesRead), end: from + bytesRead, size };
  } finally {
    await handle.close();
  }
}

function entriesOf(text: string, slug: string): readonly EgressLogEntry[] {
  return text.split('\n').flatMap((each) => {
    const parsed = line.safeParse(parseJson(each));
    return parsed.success && !NOT_DECISIONS.has(parsed.data.kind) ? [toEntry(parsed.data, slug)] : [];
  });
}

function toEntry({ target, ...entry }: z.output<typeof line>, slug: string): EgressLogEntry {
  const host = entry.host ?? target;
  const fix = fixFor({ ...entry, host }, slug);
  return JSON.parse(JSON.stringify({ ...entry, host, fix })) as EgressLogEntry;
}

/** A name that was asked for is all that a refused question for it tells; the port is the usual one then. */
function fixFor({ kind, decision, host, port, method, path, reason }: z.output<typeof line>, slug: string): string | undefined {
  if (decision !== 'deny' || host === undefined || !isPlainName(host)) return undefined;
  if (kind === 'dns') return grantCommand(slug, { host, port: 443 });
  if (port === undefined || !FIXABLE.has(reason ?? '')) return undefined;
  return grantCommand(slug, { host, port, ...(method === undefined ? {} : { method }), ...(path === undefined ? {} : { path }) });
}

/** The name enters a command, so it must be one and nothing else. */
export function isPlainName(host: string): boolean {
  return /^[a-z0-9][a-z0-9._-]{0,252}$/.test(host) && host.includes('.') && !/\.(?:arpa|local|internal|lan|home)$/.test(host);
}
