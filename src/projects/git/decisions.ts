/*
 * Scope: what people decided about the work of a task and what became of it: as it is now, `<gate>/decisions/<slug>.json`, and as a
 * hash-chained log of every step beside it, `<slug>.jsonl`. Out of scope: what fits what. Fail-safe direction: each step is in the log
 * before it counts; where the log was changed or cut, nothing more is decided.
 */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import {
  type AuditAnchor,
  type AuditEvent,
  type AuditVerdict,
  anchorOf,
  ignoreCodes,
  makePrivateDir,
  openAuditLog,
  parseSlug,
  processIdentitySchema,
  readStateFile,
  TerokError,
  verifyAuditLog,
  withLock,
  writeStateFile,
} from '../../core/index.ts';
import { gatesOf } from './gate.ts';

const who = z.strictObject({ user: z.string(), uid: z.int(), host: z.string() });
const hex = z.string().regex(/^[0-9a-f]+$/);

const target = z.strictObject({
  kind: z.enum(['repository', 'directory', 'upstream']),
  /** Absolute path, or address of the upstream */
  name: z.string(),
  /** Full name of the branch there */
  ref: z.string(),
  /** The commit that the branch named before; absent where there was none */
  before: hex.optional(),
});

/** What is to be done once the work arrived. It is taken off the list when it is done, or when its failure was told. */
const step = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('statements') }),
  z.strictObject({ kind: z.literal('request'), head: z.string(), base: z.string(), title: z.string(), body: z.string() }),
]);

const use = z.strictObject({
  /** `begun` is written before anything happens there, `done` once it is known that it did */
  state: z.enum(['begun', 'done']),
  at: z.iso.datetime(),
  target,
  /** The process that is at it; absent where it gave up without knowing what became of it */
  by: processIdentitySchema.optional(),
  steps: z.array(step).optional(),
});

/** The shorter form of a use, which older files have: always of work that arrived, and without its branch. */
const earlierUse = z.strictObject({ at: z.iso.datetime(), target: z.string() }).transform(
  ({ at, target: name }): z.output<typeof use> => ({
    state: 'done',
    at,
    target: { kind: path.isAbsolute(name) ? 'repository' : 'upstream', name, ref: '' },
  }),
);

const approval = z.strictObject({
  kind: z.literal('approval'),
  id: hex,
  ref: z.string(),
  old: hex,
  new: hex,
  tree: hex,
  policy: hex,
  /** Digest of what was shown */
  review: hex,
  by: who,
  at: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
  /** What the person saw, in numbers */
  shown: z.strictObject({ commits: z.int(), files: z.int(), findings: z.int(), hidden: z.int() }),
  use: z.union([use, earlierUse]).optional(),
});

const rejection = z.strictObject({
  kind: z.literal('rejection'),
  id: hex,
  ref: z.string(),
  new: hex,
  by: who,
  at: z.iso.datetime(),
  message: z.string(),
});

const decisions = z.strictObject({
  version: z.literal(1),
  entries: z.array(z.discriminatedUnion('kind', [approval, rejection])),
  /** The last line of the log when this was written */
  log: z.strictObject({ sequence: z.int(), hash: hex }).optional(),
});

export type Approval = z.infer<typeof approval>;
export type ApprovalUse = z.infer<typeof use>;
export type UseStep = z.infer<typeof step>;
/** Where approved objects go, and what was there before */
export type ApprovalTarget = z.infer<typeof target>;
export type Rejection = z.infer<typeof rejection>;
export type Decision = Approval | Rejection;

/** More decisions than anyone makes about one task; the oldest go */
const MAX_ENTRIES = 1_000;

/** All decisions about a task, oldest first. */
export async function listDecisions(gate: string, slug: string): Promise<readonly Decision[]> {
  return (await readStateFile(fileOf(gate, slug), decisions))?.entries ?? [];
}

/** Whether any approval of a task was used, or is being used. */
export async function hasUsedApproval(gate: string, slug: string): Promise<boolean> {
  return (await listDecisions(gate, slug)).some((entry) => entry.kind === 'approval' && entry.use !== undefined);
}

export interface DecisionEdit<T> {
  readonly entries: readonly Decision[];
  readonly value: T;
  /** What happens, for the log; nothing is changed without */
  readonly event?: AuditEvent;
}

/** Read-modify-write of the decisions about a task, under their lock. */
export async function editDecisions<T>(gate: string, slug: string, edit: (entries: readonly Decision[]) => DecisionEdit<T>): Promise<T> {
  const file = fileOf(gate, slug);
  return await withLock(file, async () => {
    const before = await readStateFile(file, decisions);
    const { entries, value, event } = edit(before?.entries ?? []);
    if (event === undefined) return value;
    await makePrivateDir(path.dirname(file));
    const log = appendTo(decisionLog(gate, slug), event, before?.log);
    await writeStateFile(file, decisions.parse({ version: 1, entries: entries.slice(-MAX_ENTRIES), log }));
    return value;
  });
}

/** Puts a step into the log that changes no decision. */
export async function recordDecision(gate: string, slug: string, event: AuditEvent): Promise<void> {
  await editDecisions(gate, slug, (entries) => ({ entries, value: undefined, event }));
}

/** The log of the decisions about a task. */
export function decisionLog(gate: string, slug: string): string {
  return `${fileOf(gate, slug)}l`;
}

/** The logs of all tasks of a project, also of those that were removed. */
export async function decisionLogs(projectDataDir: string): Promise<readonly string[]> {
  const logs = new Set<string>();
  for (const gate of gatesOf(projectDataDir)) {
    const dir = path.join(gate, 'decisions');
    const names = (await ignoreCodes(['ENOENT'], () => readdir(dir))) ?? [];
    for (const name of names.filter((each) => /\.jsonl?$/.test(each))) logs.add(path.join(dir, name.replace(/l?$/, 'l')));
  }
  return [...logs].sort();
}

/** Checks a log of decisions, and where the decisions lie beside it, that its end is there; undefined where there is neither. */
export async function verifyDecisionLog(file: string): Promise<AuditVerdict | undefined> {
  const anchor = file.endsWith('.jsonl') ? (await readStateFile(file.slice(0, -1), decisions))?.log : undefined;
  if (anchor === undefined && (await ignoreCodes(['ENOENT'], () => stat(file))) === undefined) return undefined;
  return verifyAuditLog(file, anchor);
}

/** Adds a line where the log holds, and gives the line. A line that a crash tore is cut off; one that is known to have been whole is not. */
function appendTo(file: string, event: AuditEvent, anchor: AuditAnchor | undefined): AuditAnchor {
  const log = openAuditLog(file);
  try {
    const verdict = verifyAuditLog(file, anchor);
    if (!verdict.intact) throw brokenLog(file, verdict);
    log.record(event);
  } finally {
    log.close();
  }
  return anchorOf(file);
}

function brokenLog(file: string, { line, problem }: AuditVerdict & { readonly intact: false }): TerokError {
  return new TerokError('STATE_CORRUPT', `The log of decisions \`${file}\` does not hold: line ${line} ${problem}.`, {
    context: { file, line },
    hint: `Look at it with \`terok audit verify\`. To begin another, move it and \`${path.basename(file.slice(0, -1))}\` away; what was approved is not any more then.`,
  });
}

function fileOf(gate: string, slug: string): string {
  return path.join(gate, 'decisions', `${parseSlug(slug)}.json`);
}
