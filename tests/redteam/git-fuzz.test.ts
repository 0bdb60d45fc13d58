/*
 * Fuzzing of what a bottle sends to its gate and leaves as notes: batch requests of Git LFS, the commands of a push, and statements of
 * provenance. What breaks a property is kept as a file (see `fuzz`); `TEROK_FUZZ_SECONDS=<n>` looks longer.
 */
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isTerokError } from '../../src/core/index.ts';
import { ensureSigningKey, type Statement, verifyProvenance, writeProvenance } from '../../src/projects/git/index.ts';
import { GitLab, mustGit } from '../integration/git-harness.ts';
import { fuzz } from '../support/fuzz.ts';
import { packet, packOf } from '../support/pack-writer.ts';
import { fuzzParameters } from './fuzz-parameters.ts';

const { parameters: PARAMETERS, timeoutMs: TIMEOUT_MS } = fuzzParameters(6);
const NONE = '0'.repeat(40);

interface Answer {
  readonly status: number;
  readonly body: string;
}

let lab: GitLab;
let source: string;
let url: string;
let repository: string;
let base: string;
/** Objects of LFS: of the user, that no file of the task names; of the task itself */
const [hidden, own] = ['of the user', 'of the task'].map((text) => createHash('sha256').update(text).digest('hex')) as [string, string];

beforeAll(async () => {
  lab = await GitLab.create();
  source = await lab.userRepository();
  const imported = await lab.import(source, 'shop');
  const lfs = { directory: path.join(lab.root, 'lfs'), offered: path.join(lab.root, 'offered') };
  for (const [dir, oid, text] of [
    [lfs.offered, hidden, 'of the user'],
    [lfs.directory, own, 'of the task'],
  ] as const) {
    const file = path.join(dir, oid.slice(0, 2), oid.slice(2, 4), oid);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, text);
  }
  url = await lab.serve(imported, 'shop', [], { lfs });
  ({ repository, baseCommit: base } = imported);
});
afterAll(async () => await lab[Symbol.asyncDispose]());

function post(target: string, type: string, body: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': type, 'content-length': body.length };
    const request = http.request(`${url}/${target}`, { method: 'POST', headers }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(parts).toString('latin1') }));
      response.on('error', reject);
    });
    request.on('error', reject).end(body);
  });
}

describe('a batch request of Git LFS', () => {
  const batch = async (body: Buffer | string): Promise<Answer> =>
    await post('info/lfs/objects/batch', 'application/vnd.git-lfs+json', Buffer.from(body));
  const oid = fc.oneof(
    fc.constantFrom(hidden, own, 'a'.repeat(64), hidden.toUpperCase(), `${hidden}\n`, ` ${own}`, '../'.repeat(20), '', own.slice(1)),
    fc.string({ maxLength: 70 }),
    fc.jsonValue(),
  );
  const size = fc.oneof(fc.constantFrom(11, 0, -1, -0, 1.5, 2 ** 53, 1e300, '11', null, true), fc.integer(), fc.jsonValue());
  const object = fc.oneof(
    fc.record({ oid, size }, { requiredKeys: [] }),
    fc.record({ oid: fc.constantFrom(hidden, own), size: fc.constantFrom(11, 12), actions: fc.jsonValue(), ['__proto__']: fc.jsonValue() }),
    fc.jsonValue(),
  );
  const body = fc.oneof(
    fc
      .record(
        {
          operation: fc.constantFrom<unknown>('upload', 'download', 'download', 'verify', 'UPLOAD', null, ['download']),
          objects: fc.oneof({ weight: 5, arbitrary: fc.array(object, { maxLength: 20 }) }, { weight: 1, arbitrary: fc.jsonValue() }),
          hash_algo: fc.constantFrom<unknown>('sha256', 'sha256', 'sha1', null),
          transfers: fc.jsonValue(),
        },
        { requiredKeys: ['operation', 'objects'] },
      )
      .map((value) => JSON.stringify(value)),
    fc.json(),
    fc.string(),
    fc.uint8Array({ maxLength: 500 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
  );

  test('names no object that no file of the task names, no other host, and never fails the gate', { timeout: TIMEOUT_MS }, async () => {
    // Positive control: the object is there, and is given once a file names it
    const asked = JSON.stringify({ operation: 'download', objects: [{ oid: own, size: 11 }] });
    expect((await batch(asked)).body).toContain('"download":{"href"');
    await fuzz(
      'git-lfs-batch',
      fc.asyncProperty(body, async (text) => {
        const answer = await batch(text);
        expect([200, 400, 413, 422]).toContain(answer.status);
        const said = JSON.parse(answer.body) as { objects?: { oid: string; actions?: Record<string, { href: string }> }[] };
        for (const { oid: named, actions } of said.objects ?? []) {
          expect(named).toMatch(/^[0-9a-f]{64}$/);
          if (named === hidden) expect(actions?.['download']).toBeUndefined();
          for (const { href } of Object.values(actions ?? {})) expect(href).toBe(`${url}/info/lfs/objects/${named}`);
        }
      }),
      { parameters: PARAMETERS },
    );
    expect((await batch(asked)).status).toBe(200);
  });
});

const PIECES =
  'refs/ heads/ notes/ tags/ terok/ shop shop2 other main backup/ base HEAD . .. / // .lock @{ ~ ^ : * ? [ \\ " $(id) `id` ; - \xc3\xa9'
    .split(' ')
    .concat([' ', '\n', '\r', '\0', '\u001b[2K']);

/** How a line of a push says its length: mostly right */
const FRAMES = ['right', 'right', 'right', 'right', 'right', 'right', '0001', 'ffff', '00ZZ', 'upper', 'after nothing'] as const;

function framed(frame: (typeof FRAMES)[number], text: string): string {
  if (frame === 'right') return packet(text);
  if (frame === 'upper') return packet(text).toUpperCase();
  if (frame === 'after nothing') return `0004${packet(text)}`;
  return `${frame}${text}`;
}

describe('the commands of a push', () => {
  const piece = fc.constantFrom(...PIECES);
  const name = fc.oneof(
    fc.array(piece, { minLength: 1, maxLength: 8 }).map((parts) => parts.join('')),
    fc.array(piece, { maxLength: 4 }).map((parts) => `refs/heads/terok/shop${parts.join('')}`),
    fc.array(piece, { maxLength: 4 }).map((parts) => `refs/notes/terok/shop${parts.join('')}`),
  );
  const id = fc.constantFrom('base', 'base', 'base', NONE, '1'.repeat(40), '', 'g'.repeat(40), '1'.repeat(64));
  const line = fc.record({ old: fc.constantFrom(NONE, NONE, 'base', ''), next: id, name });
  const refsOf = async (where: string): Promise<string[]> =>
    (await mustGit(where, ['for-each-ref', '--format=%(refname)'])).split('\n').sort();

  test('write branches and notes of the task and nothing else, however they are written', { timeout: TIMEOUT_MS }, async () => {
    const before = await refsOf(repository);
    const send = async (lines: readonly string[]): Promise<Answer> =>
      await post(
        'git-receive-pack',
        'application/x-git-receive-pack-request',
        Buffer.concat([Buffer.from(`${lines.join('')}0000`, 'latin1'), ...packOf(0, [])]),
      );
    const capabilities = '\0report-status atomic delete-refs';
    // Positive control: a request of this form writes a ref
    await send([packet(`${NONE} ${base} refs/heads/terok/shop.control${capabilities}`)]);
    expect(await refsOf(repository)).toEqual([...before, 'refs/heads/terok/shop.control'].sort());
    await fuzz(
      'git-push-commands',
      fc.asyncProperty(fc.array(fc.tuple(line, fc.constantFrom(...FRAMES)), { minLength: 1, maxLength: 3 }), async (commands) => {
        const real = (text: string): string => (text === 'base' ? base : text);
        const lines = commands.map(([{ old, next, name: ref }, frame], index) =>
          framed(frame, `${real(old)} ${real(next)} ${ref}${index === 0 ? capabilities : ''}`),
        );
        const { status } = await send(lines);
        expect(status).toBeLessThan(500);
        const strange = (await refsOf(repository)).filter(
          (ref) =>
            !before.includes(ref) &&
            !/^refs\/(?:heads|notes)\/terok\/shop(?:\.\S+)?$/.test(ref) &&
            !ref.startsWith('refs/terok/backup/shop/'),
        );
        expect(strange).toEqual([]);
        expect(await mustGit(repository, ['rev-parse', 'refs/heads/main', 'refs/terok/base'])).toBe(`${base}\n${base}`);
      }),
      { parameters: PARAMETERS },
    );
  });
});

describe('a note that poses as a statement of provenance', () => {
  test('is never taken for one that the user signed, and never ends in anything but an error that says so', {
    timeout: TIMEOUT_MS,
  }, async () => {
    const key = await ensureSigningKey(lab.dataDir);
    const [commit = '', tree = ''] = (await mustGit(source, ['rev-parse', 'HEAD', 'HEAD^{tree}'])).split('\n');
    const statement: Statement = {
      version: 1,
      commit,
      tree,
      task: 'shop',
      image: 'image',
      policy: 'ab12',
      review: 'cd34',
      egress: { routes: 1, hosts: ['api.example.test'] },
      approver: { user: 'ada', uid: 1000, host: 'desk' },
      approvedAt: '2026-01-01T00:00:00.000Z',
    };
    await writeProvenance(source, [statement], key);
    // Positive control: the note as it was signed holds
    expect(await verifyProvenance(source, 'HEAD', key)).toEqual(statement);
    const signed = await mustGit(source, ['notes', '--ref=terok-provenance', 'show', 'HEAD']);
    const edit = fc.record({ at: fc.nat(signed.length), cut: fc.nat(12), put: fc.oneof(fc.string({ maxLength: 12 }), fc.json()) });
    const text = fc.oneof(
      // What a key signs is of this run alone, so what is kept of a failure is the edits
      { weight: 5, arbitrary: fc.array(edit, { minLength: 1, maxLength: 3 }) },
      { weight: 1, arbitrary: fc.json() },
      { weight: 1, arbitrary: fc.string() },
    );
    const file = path.join(lab.root, 'note');
    await fuzz(
      'git-provenance-note',
      fc.asyncProperty(text, async (note) => {
        await writeFile(file, typeof note === 'string' ? note : note.reduce(apply, signed));
        await mustGit(source, ['notes', '--ref=terok-provenance', 'add', '--force', '--allow-empty', '--file', file, 'HEAD']);
        const found = await verifyProvenance(source, 'HEAD', key).catch((error: unknown) => error);
        if (isTerokError(found)) expect(['REFUSED', 'NOT_FOUND']).toContain(found.code);
        // Spaces in JSON change no value: then it is still what the user signed
        else expect(found).toEqual(statement);
      }),
      { parameters: PARAMETERS },
    );
  });
});

function apply(text: string, { at, cut, put }: { readonly at: number; readonly cut: number; readonly put: string }): string {
  return text.slice(0, at) + put + text.slice(at + cut);
}
