/*
 * Scope: one upstream: which refs it has, fetching them, pushing one object to one ref by compare and swap.
 * Out of scope: which objects may go there. Fail-safe direction: a ref that is not what the caller expects is left as it is.
 */
import { type GitOptions, git, type HostRoad, TerokError } from '../core/index.ts';
import { type LfsUpload, type OpenObject, uploadLfsObjects } from './lfs-upload.ts';
import { openTransport, type Transport, type TransportInputs } from './transport.ts';
import { explainUpstreamError, withhold } from './upstream-error.ts';
import { parseUpstreamUrl } from './upstream-url.ts';

/** One ref of the upstream that a push changes */
export interface UpstreamPush {
  readonly ref: string;
  /** Object that it will name */
  readonly next: string;
  /** What it must name now; undefined where it must not exist */
  readonly expected: string | undefined;
}

const LIST_MS = 60_000;
const MAX_REFS = 200_000;
const QUIET = ['--quiet', '--no-tags', '--no-write-fetch-head', '--no-recurse-submodules', '--no-auto-maintenance', '--refmap='];
const CHECKED = { 'transfer.fsckObjects': 'true', 'fetch.fsckObjects': 'true', 'fetch.unpackLimit': '1' };

export class Upstream {
  readonly host: string;
  /** Its address, without any credential */
  readonly url: string;
  readonly #transport: Transport;

  readonly #road: HostRoad;

  private constructor(transport: Transport, road: HostRoad) {
    this.#transport = transport;
    this.#road = road;
    this.url = transport.url;
    this.host = parseUpstreamUrl(transport.url).host;
  }

  static async open(inputs: TransportInputs): Promise<Upstream> {
    return new Upstream(await openTransport(inputs), inputs.road ?? {});
  }

  /** Branch → commit, and the one that HEAD names. */
  async branches(directory: string): Promise<{ readonly branches: ReadonlyMap<string, string>; readonly head: string | undefined }> {
    const output = await this.#git(directory, ['ls-remote', '--symref', '--', this.#transport.url, 'HEAD', 'refs/heads/*'], LIST_MS);
    const lines = output.split('\n').filter((line) => line !== '');
    if (lines.length > MAX_REFS) throw new TerokError('REFUSED', `The upstream shows more than ${MAX_REFS} branches.`);
    const symref = lines.map((line) => /^ref: refs\/heads\/(\S+)\tHEAD$/.exec(line)?.[1]).find((name) => name !== undefined);
    const pairs = lines.flatMap((line) => {
      const [, id, name] = /^([0-9a-f]{40,64})\trefs\/heads\/(\S+)$/.exec(line) ?? [];
      return id === undefined || name === undefined ? [] : [[name, id] as const];
    });
    return { branches: new Map(pairs), head: symref };
  }

  /** Brings refs of the upstream below `prefix` of a bare repository; nothing else of it changes. */
  async fetch(directory: string, branches: readonly string[], prefix: string): Promise<void> {
    const refspecs = branches.map((name) => `+refs/heads/${name}:${prefix}${name}\n`);
    await this.#git(directory, ['fetch', ...QUIET, '--stdin', '--', this.#transport.url], undefined, {
      input: refspecs.join(''),
      settings: CHECKED,
    });
  }

  /** Brings one ref of the upstream to a ref of a bare repository, also where that named something else, and gives what it names. */
  async fetchRef(directory: string, ref: string, to: string): Promise<string | undefined> {
    const found = await this.#git(directory, ['ls-remote', '--', this.#transport.url, ref], LIST_MS);
    const [, id] = /^([0-9a-f]{40,64})\t/.exec(found) ?? [];
    if (id === undefined) await git(directory, ['update-ref', '-d', to]);
    else await this.#git(directory, ['fetch', ...QUIET, '--', this.#transport.url, `+${ref}:${to}`], undefined, { settings: CHECKED });
    return id;
  }

  /** Throws GIT_FAILED where the ref is not what was expected, or the upstream does not take the push. */
  async push(directory: string, { ref, next, expected }: UpstreamPush): Promise<void> {
    const lease = `--force-with-lease=${ref}:${expected ?? ''}`;
    await this.#git(directory, [
      'push',
      '--quiet',
      '--no-verify',
      '--no-recurse-submodules',
      '--no-follow-tags',
      lease,
      '--',
      this.#transport.url,
      `${next}:${ref}`,
    ]);
  }

  /** False for an SSH upstream. */
  get takesLfs(): boolean {
    return this.#transport.authorization !== undefined;
  }

  /** Brings the objects of Git LFS that the upstream lacks. */
  async uploadLfs(objects: readonly LfsUpload[], openObject: OpenObject): Promise<void> {
    const authorization = await this.#transport.authorization?.();
    await uploadLfsObjects({ url: this.#transport.url, authorization, road: this.#road }, objects, openObject);
  }

  /** True where `to` only adds to `from`; false too where the repository does not have one of them. */
  async isForward(directory: string, from: string, to: string): Promise<boolean> {
    return (await git(directory, ['merge-base', '--is-ancestor', from, to], { accept: [1, 128] })).exitCode === 0;
  }

  async #git(directory: string, args: readonly string[], timeoutMs?: number, more: GitOptions = {}): Promise<string> {
    const { withheld, ...options } = await this.#transport.options();
    try {
      const result = await git(directory, args, {
        ...options,
        ...more,
        settings: { ...options.settings, ...more.settings },
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
      });
      return result.stdout.toString('utf8');
    } catch (error) {
      throw explainUpstreamError(withhold(error, withheld), this.host);
    }
  }
}
