/*
 * Scope: signed statements about where an approved commit comes from, as notes in the user's repository; checked without a network.
 * Out of scope: whether the key's owner was right. Fail-safe direction: a note that does not fit the commit, its tree or the key is none.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { canonicalJson, ignoreCodes, TerokError, withLock, writePrivateFile } from '../../core/index.ts';
import { git, gitText, resolveRevision } from './git.ts';

/** Where the notes are, in the repository of the user. */
export const PROVENANCE_NOTES = 'refs/notes/terok-provenance';
/** A statement has about one KiB */
const MAX_NOTE_BYTES = 64 * 1024;
/** Commits of one approval that carry a statement; of more, the newest */
const MAX_STATED = 1_000;

const hex = z.string().regex(/^[0-9a-f]+$/);
const counts = { allowed: z.int(), denied: z.int() };
const statementSchema = z.strictObject({
  version: z.literal(1),
  commit: hex,
  tree: hex,
  task: z.string(),
  agent: z.string().optional(),
  image: z.string(),
  /** Content address of the image, `sha256:…` */
  imageId: z.string().optional(),
  /** The commit that was approved, which this one came with */
  approved: hex.optional(),
  /** Digest of the policy that the task ran under, and of the rules of the review */
  policy: hex,
  /** Digest of what the approver was shown */
  review: hex,
  /** What the task could reach, and how often it was let through and refused, as far as its log goes back */
  egress: z.strictObject({
    routes: z.int(),
    hosts: z.array(z.string()),
    decisions: z
      .strictObject({
        ...counts,
        /** Of the routes that were used; what is in no route was refused because none fits */
        byRoute: z.array(z.strictObject({ route: z.string(), ...counts })).optional(),
      })
      .optional(),
  }),
  approver: z.strictObject({ user: z.string(), uid: z.int(), host: z.string() }),
  approvedAt: z.iso.datetime(),
});
const noteSchema = z.strictObject({ statement: statementSchema, key: z.string(), signature: z.string() });

export type Statement = z.infer<typeof statementSchema>;

/** The user's signing key in `<data>/provenance/key.pem`, made where there is none; throws REFUSED where others could read it. */
export async function ensureSigningKey(dataDir: string): Promise<KeyObject> {
  const file = path.join(dataDir, 'provenance', 'key.pem');
  return await withLock(file, async () => {
    const found = await ignoreCodes(['ENOENT'], () => stat(file));
    if (found === undefined) {
      const { privateKey } = generateKeyPairSync('ed25519');
      await writePrivateFile(file, privateKey.export({ type: 'pkcs8', format: 'pem' }));
      return privateKey;
    }
    if ((found.mode & 0o077) !== 0)
      throw new TerokError('REFUSED', `The signing key \`${file}\` can be read by others.`, { hint: 'Remove it; a new one is made.' });
    return createPrivateKey(await readFile(file));
  });
}

/** Signs statements and leaves each as a note on its commit, all or none; earlier notes of these commits are replaced. */
export async function writeProvenance(repository: string, statements: readonly Statement[], key: KeyObject): Promise<void> {
  const before = await resolveRevision(repository, PROVENANCE_NOTES);
  const lines = [
    `commit ${PROVENANCE_NOTES}`,
    `committer terok <terok@localhost> ${Math.floor(Date.now() / 1_000)} +0000`,
    data('State where commits come from'),
    ...(before === undefined ? [] : [`from ${before}`]),
    ...statements.flatMap((statement) => [`N inline ${statement.commit}`, data(signedNote(statement, key))]),
  ];
  await git(repository, ['fast-import', '--quiet', '--done', '--date-format=raw'], { input: `${lines.join('\n')}\ndone\n` });
}

function signedNote(statement: Statement, key: KeyObject): string {
  const checked = statementSchema.parse(statement);
  const signature = sign(null, Buffer.from(canonicalJson(checked)), key).toString('base64');
  return `${canonicalJson({ statement: checked, key: publicText(createPublicKey(key)), signature })}\n`;
}

/** A text as `git fast-import` reads it. */
function data(text: string): string {
  return `data ${Buffer.byteLength(text)}\n${text}`;
}

/** The newest commits of a range with their trees, the last one first. */
export async function commitsWithTrees(
  repository: string,
  { old, new: tip }: { readonly old: string; readonly new: string },
): Promise<readonly { readonly commit: string; readonly tree: string }[]> {
  const range = ['--end-of-options', tip, `^${old}`, '--'];
  const found = await gitText(repository, ['rev-list', '--no-commit-header', '--format=%H %T', `--max-count=${MAX_STATED}`, ...range]);
  return found.split('\n').flatMap((line) => {
    const [, commit, tree] = /^([0-9a-f]+) ([0-9a-f]+)$/.exec(line) ?? [];
    return commit === undefined || tree === undefined ? [] : [{ commit, tree }];
  });
}

/** The statement about a commit; throws NOT_FOUND where there is none, REFUSED where it does not hold. */
export async function verifyProvenance(repository: string, revision: string, key: KeyObject): Promise<Statement> {
  const commit = await resolveRevision(repository, `${revision}^{commit}`);
  if (commit === undefined) throw new TerokError('NOT_FOUND', `\`${revision}\` is no commit of \`${repository}\`.`);
  const { exitCode, stdout } = await git(repository, ['notes', `--ref=${PROVENANCE_NOTES}`, 'show', commit], { accept: [1, 128] });
  if (exitCode !== 0) {
    throw new TerokError('NOT_FOUND', `The commit \`${commit}\` carries no statement.`, {
      hint: 'Statements are written by `terok apply --provenance`.',
    });
  }
  const note = stdout.length > MAX_NOTE_BYTES ? undefined : parseNote(stdout.toString('utf8'));
  const problem = note === undefined ? 'it is no statement' : await problemOf(repository, commit, note, key);
  if (note !== undefined && problem === undefined) return note.statement;
  throw new TerokError('REFUSED', `The statement about \`${commit}\` does not hold: ${problem}.`, { context: { commit } });
}

type Note = z.infer<typeof noteSchema>;

function parseNote(text: string): Note | undefined {
  try {
    return noteSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

async function problemOf(repository: string, commit: string, note: Note, key: KeyObject): Promise<string | undefined> {
  if (note.key !== publicText(createPublicKey(key))) return 'another key signed it';
  const signed = verify(null, Buffer.from(canonicalJson(note.statement)), createPublicKey(key), Buffer.from(note.signature, 'base64'));
  if (!signed) return 'its signature is wrong';
  if (note.statement.commit !== commit) return 'it is about another commit';
  const tree = await gitText(repository, ['rev-parse', '--verify', '--end-of-options', `${commit}^{tree}`]);
  return note.statement.tree === tree ? undefined : 'it is about another tree';
}

function publicText(key: KeyObject): string {
  return key.export({ type: 'spki', format: 'der' }).toString('base64');
}
