/*
 * Scope: makes a commit of a directory without git, so that its task takes the same road as any other.
 * Out of scope: links and special files, which are left out and counted. Fail-safe direction: nothing is followed, every size is capped.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { hostGitEnvironment, TerokError } from '../../core/index.ts';
import { type DirectoryFile, LARGEST_FILE_BYTES, walkDirectory } from './directory-walk.ts';
import { ensureTaskRepository, gateFormat, knownBase, storeOf, taskRef } from './gate.ts';
import { resolveRevision } from './git.ts';
import type { ImportedRepository } from './import-source.ts';

export interface DirectoryImport {
  readonly gate: string;
  readonly source: string;
  readonly slug: string;
}

/** Snapshot of the regular files of a directory, as branch `main`. A task that was imported before keeps its snapshot. */
export async function importDirectory({
  gate,
  source,
  slug,
}: DirectoryImport): Promise<Omit<ImportedRepository, 'kind'> & { readonly kind: 'directory' }> {
  const known = await knownBase(gate, slug);
  const walk = known === undefined ? await walkDirectory(source) : { files: [], notes: [] };
  const ref = `refs/terok/import/${slug}/main`;
  if (known === undefined) await writeSnapshot({ store: storeOf(gate), ref, source, files: walk.files });
  const baseCommit = known ?? (await resolveRevision(storeOf(gate), ref));
  if (baseCommit === undefined) throw new TerokError('GIT_FAILED', `The snapshot of \`${source}\` did not arrive in the gate.`);
  const repository = await ensureTaskRepository(gate, { slug, branch: 'main', baseCommit, refs: { 'refs/heads/main': baseCommit } });
  return {
    kind: 'directory',
    repository,
    writableRef: taskRef(slug),
    branch: 'main',
    baseCommit,
    objectFormat: gateFormat(gate),
    notes: walk.notes,
  };
}

interface Snapshot {
  readonly store: string;
  readonly ref: string;
  readonly source: string;
  readonly files: readonly DirectoryFile[];
}

/** One `git fast-import`: the ref changes when the whole stream has been taken. */
async function writeSnapshot({ store, ref, source, files }: Snapshot): Promise<void> {
  const child = spawn('git', ['-C', store, 'fast-import', '--quiet', '--force', '--done'], {
    env: hostGitEnvironment({ 'fastimport.unpackLimit': '0' }),
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString('utf8')).slice(-2_048);
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  ended.catch(() => undefined);
  child.stdin.on('error', () => undefined); // the exit code tells why git stopped reading
  const write = async (chunk: string | Buffer): Promise<void> => {
    if (!child.stdin.write(chunk) && !child.stdin.destroyed) await Promise.race([once(child.stdin, 'drain'), ended]);
  };
  try {
    const message = `Snapshot of the directory\n`;
    await write(
      `commit ${ref}\ncommitter terok <terok@localhost> ${Math.floor(Date.now() / 1000)} +0000\ndata ${message.length}\n${message}\ndeleteall\n`,
    );
    for (const file of files) await writeFileEntry(write, source, file);
    child.stdin.end('\ndone\n');
    const code = await ended;
    if (code !== 0) throw new TerokError('GIT_FAILED', `\`git fast-import\` ended with ${code}: ${stderr.trim()}`);
  } finally {
    child.kill('SIGKILL');
  }
}

async function writeFileEntry(write: (chunk: string | Buffer) => Promise<void>, source: string, file: DirectoryFile): Promise<void> {
  const handle = await open(
    Buffer.concat([Buffer.from(`${source}/`), file.path]),
    constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
  );
  try {
    const found = await handle.stat();
    if (!found.isFile() || found.size > LARGEST_FILE_BYTES) {
      throw new TerokError('REFUSED', 'A file of the directory was replaced while it was copied.', { hint: 'Run the command again.' });
    }
    const content = await handle.readFile();
    await write(`M ${file.executable ? '100755' : '100644'} inline `);
    await write(quotePath(file.path));
    await write(`\ndata ${content.length}\n`);
    await write(content);
    await write('\n');
  } finally {
    await handle.close();
  }
}

/** Every byte but plain ones as an octal escape. */
function quotePath(path: Buffer): string {
  const escaped = [...path].map((byte) =>
    /[A-Za-z0-9._/ -]/.test(String.fromCharCode(byte)) ? String.fromCharCode(byte) : `\\${byte.toString(8).padStart(3, '0')}`,
  );
  return `"${escaped.join('')}"`;
}
