/** Requests and packs that git would not make. */
import { gzipSync } from 'node:zlib';
import type { RedBench, RedBottle } from '../../bench/index.ts';
import type { Row } from '../../row.ts';
import type { Trial } from '../../trial.ts';
import { push, tryAll, work } from '../gate-work.ts';
import { commitOf, deltaEntry, idOf, type PackEntry, packet, packOf, storedEntry, thinEntry } from '../pack-writer.ts';
import { PoisonedRepository } from '../poisoned.ts';

/** Small on the wire, large or malformed where they are unpacked: name, script, what the pusher must be told */
const COMMITS = [
  [
    'a message of 9 MB that compresses to nothing',
    `git reset -q --hard "$(head -c 9000000 /dev/zero | tr '\\0' a | git commit-tree -p HEAD 'HEAD^{tree}')"`,
    /above the limit of the gate/,
  ],
  ['a file of 60 MB of nothing', 'truncate -s 60000000 z; git add z; git commit -qm m', /a file has at most/],
  [
    'a commit without an author',
    `git commit -q --allow-empty -m m
git update-ref HEAD "$(git cat-file commit HEAD | sed 's/^author .*/author nobody/' | git hash-object -t commit -w --stdin --literally)"`,
    /missingEmail/,
  ],
] as const;

const NONE = '0'.repeat(40);
const HIDDEN = 'private\n';
const SEEN = '*.txt filter=evil diff=evil merge=evil\n';
const KIB = 1024;
const MIB = KIB ** 2;

/** A push as bytes, and what the gate must say about it; `undefined` where it is an honest one that must be taken. */
interface RawPush {
  readonly name: string;
  readonly body: Buffer;
  readonly told: RegExp | undefined;
}

interface Place {
  readonly slug: string;
  /** Commit that the task began with */
  readonly base: string;
}

/** A delta that copies the first `size` bytes of its base, `times` times. */
function repeat(size: number, times: number): Buffer {
  const copy = Buffer.from([0xf0, size & 0xff, (size >> 8) & 0xff, (size >> 16) & 0xff]);
  return Buffer.concat([sizeBytes(size), sizeBytes(size * times), ...Array.from({ length: times }, () => copy)]);
}

/** Seven bits a byte, the lowest first. */
function sizeBytes(size: number): Buffer {
  const bytes: number[] = [];
  for (let left = size; ; left = Math.floor(left / 128)) {
    bytes.push(left < 128 ? left : (left & 0x7f) | 0x80);
    if (left < 128) return Buffer.from(bytes);
  }
}

const lengthOf = (entry: PackEntry): number => [...entry.bytes].reduce((sum, part) => sum + part.length, 0);

/** Commands and pack of a push that makes one branch; `first` comes before the command. */
function bodyOf(ref: string, tip: string, entries: readonly PackEntry[], first = ''): Buffer {
  const command = `${first}${packet(`${NONE} ${tip} ${ref}\0report-status side-band-64k quiet`)}0000`;
  return Buffer.concat([Buffer.from(command, 'latin1'), ...packOf(entries.length, entries)]);
}

/** Pushes that use objects which the task may not read, and one that uses those that it may. */
function borrowed({ slug, base }: Place, hidden: { readonly commit: string; readonly blob: string }): readonly RawPush[] {
  const make = (name: string, parent: string, blob: string, told: RegExp | undefined, more: readonly PackEntry[] = []): RawPush => {
    const { tree, commit, tip } = commitOf(parent, { 'x.txt': blob });
    const entries = [storedEntry('tree', tree), storedEntry('commit', commit), ...more];
    return { name, body: bodyOf(`refs/heads/terok/${slug}.${tip.slice(0, 8)}`, tip, entries), told };
  };
  const twice = (text: string): string => idOf('blob', Buffer.from(text.repeat(2)));
  const thin = (text: string): PackEntry => thinEntry(idOf('blob', Buffer.from(text)), repeat(text.length, 2));
  const unseen = /which it does not bring and this task does not see/;
  return [
    make('a commit on top of one that the task does not see', hidden.commit, idOf('blob', Buffer.from(SEEN)), unseen),
    make('a tree that names a file of another branch', base, hidden.blob, unseen),
    make('a delta against a file of another branch', base, twice(HIDDEN), unseen, [thin(HIDDEN)]),
    make('a delta against a file that the task sees', base, twice(SEEN), undefined, [thin(SEEN)]),
  ];
}

/** Packs of a few KiB that unpack to what is above a limit, and a history that is cut off. */
function oversized({ slug, base }: Place): readonly RawPush[] {
  const ref = (name: string): string => `refs/heads/terok/${slug}.${name}`;
  const seed = Buffer.alloc(KIB);
  const first = storedEntry('blob', seed);
  const second = deltaEntry(lengthOf(first), repeat(KIB, KIB));
  const third = deltaEntry(lengthOf(second), repeat(MIB, 80));
  const zeros = (bytes: number): string => idOf('blob', Buffer.alloc(bytes));
  const bomb = commitOf(base, { '0': zeros(KIB), '1': zeros(MIB), '2': zeros(80 * MIB) });
  const cut = commitOf('1'.repeat(40), {});
  const chained = chain(base, 4_097);
  return [
    {
      name: 'deltas of 4 KB that make a file of 80 MiB',
      body: bodyOf(ref('bomb'), bomb.tip, [first, second, third, storedEntry('tree', bomb.tree), storedEntry('commit', bomb.commit)]),
      told: /a file has at most/,
    },
    { name: 'a chain of 4097 deltas', body: bodyOf(ref('chain'), chained.tip, chained.entries), told: /a chain of 4097 deltas/ },
    {
      name: 'a shallow history, whose beginning nobody can scan',
      body: bodyOf(ref('cut'), cut.tip, [storedEntry('tree', cut.tree), storedEntry('commit', cut.commit)], packet(`shallow ${cut.tip}`)),
      told: /shallow update not allowed/,
    },
  ];
}

/** A blob, and `depth` that each are made of the one before. */
function chain(parent: string, depth: number): { readonly tip: string; readonly entries: readonly PackEntry[] } {
  const text = (at: number): Buffer => Buffer.from(`${at}\n`.padStart(7));
  const entries: PackEntry[] = [storedEntry('blob', text(0))];
  const blobs: Record<string, string> = { '0': idOf('blob', text(0)) };
  for (let at = 1, before = lengthOf(storedEntry('blob', text(0))); at <= depth; at += 1) {
    const entry = deltaEntry(before, Buffer.concat([Buffer.from([7, 7, 7]), text(at)]));
    const bytes = [...entry.bytes];
    before = lengthOf({ bytes });
    entries.push({ bytes });
    blobs[String(at)] = idOf('blob', text(at));
  }
  const { tree, commit, tip } = commitOf(parent, blobs);
  return { tip, entries: [...entries, storedEntry('tree', tree), storedEntry('commit', commit)] };
}

/** What no repository takes: the gate must say so, and go on. */
function broken({ slug, base }: Place): readonly (readonly [string, Buffer])[] {
  const { tree, commit, tip } = commitOf(base, {});
  const whole = bodyOf(`refs/heads/terok/${slug}.broken`, tip, [storedEntry('tree', tree), storedEntry('commit', commit)]);
  const lying = Buffer.from(whole);
  lying.writeUInt32BE(0xffff_ffff, whole.indexOf('PACK') + 8);
  return [
    ['a pack that ends early', whole.subarray(0, -30)],
    ['a pack with another checksum', Buffer.concat([whole.subarray(0, -1), Buffer.from([~(whole.at(-1) ?? 0) & 0xff])])],
    ['a pack that announces four thousand million objects', lying],
    ['commands without a pack', whole.subarray(0, whole.indexOf('PACK'))],
  ];
}

const GATE = 'http://gate.terok.internal/repo.git';
const POST = `curl -s --noproxy '*' -m 25 -w ' %{http_code}' -H "Content-Type: application/x-$1-request" \${2:+-H "Content-Encoding: $2"} --data-binary @- ${GATE}/$1`;

/** Posts to the gate from the bottle; gives body and status. */
async function post(bottle: RedBottle, service: string, input: Buffer, encoding = ''): Promise<string> {
  return (await bottle.run(['sh', '-c', POST, 'sh', service, encoding], { input })).stdout;
}

/** The same bytes to git itself, on a bare repository that borrows objects as that of the task does. */
async function plain(bottle: RedBottle, service: string, input: Buffer): Promise<string> {
  const { code, stdout } = await bottle.run(
    ['git', '-c', 'receive.shallowUpdate=true', service.slice('git-'.length), '--stateless-rpc', '/tmp/control.git'],
    { input },
  );
  return `${stdout} ${code === 0 ? 200 : 500}`;
}

async function tryPush(trial: Trial, bottle: RedBottle, { name, body, told }: RawPush): Promise<void> {
  const control = await plain(bottle, 'git-receive-pack', body);
  trial.control(`a repository without a gate takes ${name}`, /ok refs\//.test(control), control);
  const said = await post(bottle, 'git-receive-pack', body);
  const taken = /[0-9a-f]{4}ok refs\//.test(said);
  if (told === undefined) trial.control(`the gate takes ${name}`, taken, said);
  else trial.attack(`the gate takes ${name}`, taken, said);
  if (told !== undefined) trial.attack(`the pusher is not told about ${name}`, !told.test(said.replaceAll(/[0-9a-f]{4}\x02/g, '')), said);
}

/** An empty list of commands is how git asks whether it may push before it sends a large pack. */
async function probe(trial: Trial, bottle: RedBottle): Promise<void> {
  const flush = Buffer.from('0000');
  const control = await plain(bottle, 'git-receive-pack', flush);
  trial.control('git answers an empty list of commands', control.endsWith('200'), control);
  for (const service of ['git-receive-pack', 'git-upload-pack'])
    for (const input of [flush, Buffer.alloc(0)]) {
      const said = await post(bottle, service, input);
      trial.attack(`${service} stumbles over ${input.length === 0 ? 'nothing' : 'an empty list'}`, !said.endsWith('200'), said);
    }
  const large =
    'cd /work/* && head -c 3000000 /dev/urandom > large && git add large && git commit -qm Large && git push -q origin "HEAD:refs/heads/terok/$1.large" 2>&1';
  const { code, stdout } = await bottle.run(['sh', '-c', large, 'sh', bottle.slug]);
  trial.attack('a push that asks first is not served', code !== 0, stdout);
}

/** Fetches that name what is to be left out, or an object that no branch of the task has. */
async function fetchHidden(trial: Trial, { bottle, hidden, base }: Hiding): Promise<void> {
  const fetch = async (url: string, ...words: readonly string[]): Promise<string> => {
    const script = 'rm -rf /tmp/f; git init -q --bare /tmp/f && cd /tmp/f && git fetch "$@" 2>&1 && echo fetched';
    return (await bottle.run(['sh', '-c', script, 'sh', '--quiet', ...words.slice(0, -1), url, words.at(-1) ?? 'HEAD'])).stdout;
  };
  const tries: readonly (readonly [string, readonly string[]])[] = [
    ['a commit that no branch of the task has, by its id', [hidden.commit]],
    ['the same without its files', ['--depth=1', hidden.commit]],
    ['a file of another branch, by its id', [hidden.blob]],
  ];
  for (const [name, words] of tries) {
    const [control, said] = [await fetch('/tmp/control.git', ...words), await fetch(GATE, ...words)];
    trial.control(`a repository without a gate gives ${name}`, /^fetched$/m.test(control), control);
    trial.attack(`the gate gives ${name}`, /^fetched$/m.test(said), said);
  }
  const filter = `filter sparse:oid=${idOf('blob', Buffer.from(SEEN))}`;
  const body = Buffer.from(`${packet(`want ${base} filter\n`)}${packet(filter)}0000${packet('done\n')}`);
  const [control, said] = [await plain(bottle, 'git-upload-pack', body), await post(bottle, 'git-upload-pack', body)];
  trial.control('a repository without a gate filters by a file of the repository', control.includes('PACK'), control);
  trial.attack('the gate filters by a file of the repository', said.includes('PACK'), said);
}

/** A body that unpacks to what git would read into memory. */
async function compressed(trial: Trial, bottle: RedBottle, { base }: Place): Promise<void> {
  const haves = packet(`have ${NONE}\n`).repeat(240_000);
  const body = Buffer.from(`${packet(`want ${base}\n`)}0000${haves}${packet('done\n')}`);
  const control = await plain(bottle, 'git-upload-pack', body);
  trial.control('git reads a negotiation of 12 MB', control.includes('PACK'), control);
  const said = await post(bottle, 'git-upload-pack', gzipSync(body), 'gzip');
  trial.attack('the gate reads a negotiation of 12 MB that was sent as 30 KB', said.includes('PACK'), said);
}

interface Hiding extends Place {
  readonly bottle: RedBottle;
  readonly hidden: { readonly commit: string; readonly blob: string };
}

/** A task beside another one that saw more; the control repository borrows from one that holds the same. */
async function hide(bench: RedBench): Promise<Hiding> {
  const repository = await PoisonedRepository.create(bench);
  const { source } = repository;
  await repository.must(['checkout', '-qfb', 'private']);
  await repository.shell('printf %s "$1" > private.txt', HIDDEN);
  await repository.must(['add', 'private.txt']);
  await repository.must(['commit', '-qm', 'Private']);
  const commit = (await repository.git(['rev-parse', 'HEAD'])).stdout.toString('utf8').trim();
  const other = await bench.bottle({ source });
  const bundle = (await other.run(['sh', '-c', 'cd /work/* && git bundle create -q /tmp/b HEAD && base64 -w0 /tmp/b'])).stdout;
  await other.remove();
  await repository.must(['checkout', '-qf', 'main']);
  const bottle = await work(bench, source);
  const setUp = `base64 -d > /tmp/b && git init -q --bare /tmp/hidden.git && git -C /tmp/hidden.git fetch -q /tmp/b HEAD:refs/heads/private &&
echo /tmp/hidden.git/objects > /tmp/control.git/objects/info/alternates && cd /work/* && git push -q /tmp/control.git origin/HEAD:refs/heads/main &&
git -C /tmp/control.git symbolic-ref HEAD refs/heads/main && git -C /tmp/control.git config uploadpack.allowFilter true && git -C /tmp/control.git config uploadpack.allowAnySHA1InWant true && git rev-parse origin/HEAD`;
  const base = (await bottle.run(['sh', '-c', setUp], { input: bundle })).stdout.trim();
  return { bottle, slug: bottle.slug, base, hidden: { commit, blob: idOf('blob', Buffer.from(HIDDEN)) } };
}

export const PACK_ROWS: readonly Row[] = [
  {
    id: 'G12',
    title: 'requests and packs that git would not make: probes, shallow, partial and thin ones, bombs, malformed ones',
    claim:
      'A push that is above a limit, malformed, or built on what the task may not see is refused with a reason, nothing unseen is given, and the next push is served.',
    attack:
      'pushes compressed nothing, deltas that unfold, long chains, cut histories and bases of other tasks; asks for hidden objects; sends empty and broken requests',
    defence:
      "limits on unpacked objects, files, deltas and requests, git's own checks, a search for objects that come from elsewhere, and a jail around what unpacks",
    control: 'git itself takes the same bytes on a repository that borrows in the same way',
    async run(trial, bench) {
      const hiding = await hide(bench);
      const { bottle, hidden, ...place } = hiding;
      await probe(trial, bottle);
      await tryAll(trial, bottle, COMMITS);
      for (const raw of [...borrowed(place, hidden), ...oversized(place)]) await tryPush(trial, bottle, raw);
      await fetchHidden(trial, hiding);
      await compressed(trial, bottle, place);
      for (const [name, body] of broken(place)) {
        const said = await post(bottle, 'git-receive-pack', body);
        trial.attack(`the gate takes ${name}`, /[0-9a-f]{4}ok refs\//.test(said), said);
      }
      const after = await push(bottle, 'git update-ref HEAD origin/HEAD && git reset -q --hard && git commit -q --allow-empty -m after');
      trial.attack('the gate serves no more', !after.taken, after.said);
    },
  },
];
