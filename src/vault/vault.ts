/*
 * Scope: secrets at rest, one file each, readable by their owner only; names are public, values are not.
 * Out of scope: encryption against the owner's own account. Fail-safe direction: a file that others can read is refused.
 */
import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { ignoreCodes, TerokError } from '../core/errors.ts';
import { withLock } from '../core/lock.ts';
import { makePrivateDir } from '../core/paths.ts';
import { SECRET_NAME } from '../core/secret-name.ts';
import { Secret } from './secret.ts';

/** Room for a private key or a service account file. */
const MAX_SECRET_BYTES = 64 * 1024;
/** No name of a secret starts with a dot, so a torn write is never listed. */
const TEMPORARY = '.new-';
const TORN_AFTER_MS = 60_000;

/** Returns `text` when it can name a secret, otherwise throws USAGE. */
export function parseSecretName(text: string): string {
  if (SECRET_NAME.test(text) && !text.includes('..')) return text;
  throw new TerokError(
    'USAGE',
    `A secret's name has 1 to 64 lower-case letters, digits, dots, hyphens and underscores; got ${JSON.stringify(text.slice(0, 80))}.`,
  );
}

/** The secrets of one user. Values leave it as `Secret` only. */
export class Vault {
  readonly #dir: string;

  /** @param dir absolute path, made with mode 0700 on first write */
  constructor(dir: string) {
    this.#dir = dir;
  }

  /** Stores a value in one step, replacing an earlier one. */
  async set(name: string, value: Secret): Promise<void> {
    await withLock(this.#lockOf(name), async () => await this.#store(name, value));
  }

  /**
   * Replaces a value by one that is made from it, alone on this host. `work` may ask a server, in bounded time. Where the lock was lost
   * meanwhile and somebody else has replaced the value, that one stays.
   */
  async update(name: string, work: (current: Secret) => Promise<Secret | undefined>): Promise<void> {
    await withLock(this.#lockOf(name), async () => {
      const current = await this.get(name);
      const next = await work(current);
      if (next === undefined || (await this.get(name)).reveal() !== current.reveal()) return;
      await this.#store(name, next);
    });
  }

  async #store(name: string, value: Secret): Promise<void> {
    const file = this.#fileOf(name);
    const text = value.reveal();
    if (text === '') throw new TerokError('USAGE', `The value of the secret \`${name}\` is empty.`);
    if (Buffer.byteLength(text) > MAX_SECRET_BYTES)
      throw new TerokError('USAGE', `The value of the secret \`${name}\` is longer than ${MAX_SECRET_BYTES} bytes.`);
    await makePrivateDir(this.#dir);
    await this.#removeTorn();
    const temporary = path.join(this.#dir, `${TEMPORARY}${randomUUID()}`);
    try {
      await writeExclusive(temporary, text);
      await rename(temporary, file);
      await syncDirectory(this.#dir);
    } finally {
      await rm(temporary, { force: true });
    }
  }

  /** Gives a value; throws SECRET_MISSING where there is none, REFUSED where others could have read or written it. */
  async get(name: string): Promise<Secret> {
    const file = this.#fileOf(name);
    const handle = await ignoreCodes(['ENOENT'], () => open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK));
    if (handle === undefined) {
      throw new TerokError('SECRET_MISSING', `There is no secret named \`${name}\`.`, {
        context: { name },
        hint: `Store it with \`terok secret set ${name}\`.`,
      });
    }
    try {
      const found = await handle.stat();
      if (!found.isFile() || (found.mode & 0o077) !== 0 || found.uid !== process.geteuid?.()) {
        throw new TerokError(
          'REFUSED',
          `The file of the secret \`${name}\` must be a regular file of its owner with mode 0600; it has ${(found.mode & 0o777).toString(8).padStart(4, '0')}.`,
          {
            context: { file },
            hint: `Consider the secret as read by others: renew it, then run \`terok secret set ${name}\`.`,
          },
        );
      }
      return new Secret(await handle.readFile('utf8'));
    } finally {
      await handle.close();
    }
  }

  async has(name: string): Promise<boolean> {
    const file = this.#fileOf(name);
    return (await ignoreCodes(['ENOENT'], () => stat(file))) !== undefined;
  }

  /** Names of all secrets, sorted. */
  async list(): Promise<readonly string[]> {
    const entries = (await ignoreCodes(['ENOENT'], () => readdir(this.#dir, { withFileTypes: true }))) ?? [];
    return entries
      .filter((entry) => entry.isFile() && SECRET_NAME.test(entry.name))
      .map((entry) => entry.name)
      .sort();
  }

  /** Names of all secrets and when each was stored, ISO 8601. */
  async describe(): Promise<readonly { readonly name: string; readonly updatedAt: string }[]> {
    return await Promise.all(
      (await this.list()).map(async (name) => ({ name, updatedAt: (await stat(this.#fileOf(name))).mtime.toISOString() })),
    );
  }

  /** Removes a secret; gives whether there was one. */
  async remove(name: string): Promise<boolean> {
    const file = this.#fileOf(name);
    if (!(await this.has(name))) return false;
    await withLock(this.#lockOf(name), async () => await rm(file, { force: true }));
    return true;
  }

  /** A writer that was killed leaves its temporary file; none lives for as long as this. */
  async #removeTorn(): Promise<void> {
    for (const entry of await readdir(this.#dir)) {
      if (!entry.startsWith(TEMPORARY)) continue;
      const file = path.join(this.#dir, entry);
      const found = await ignoreCodes(['ENOENT'], () => stat(file));
      if (found !== undefined && Date.now() - found.mtimeMs > TORN_AFTER_MS) await rm(file, { force: true });
    }
  }

  #fileOf(name: string): string {
    return path.join(this.#dir, parseSecretName(name));
  }

  /** No name of a secret starts with a dot. */
  #lockOf(name: string): string {
    return path.join(this.#dir, `.of-${parseSecretName(name)}`);
  }
}

async function writeExclusive(file: string, text: string): Promise<void> {
  const handle = await open(file, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A value that replaces one that is worth nothing any more survives a power cut. */
async function syncDirectory(dir: string): Promise<void> {
  const handle = await open(dir, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
