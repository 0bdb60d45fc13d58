/*
 * Scope: which name each synthetic address stands for. Out of scope: whether a name is allowed; callers ask that first.
 * Fail-safe direction: an address that stands for nothing is no name, and its connection is reset.
 */
import { createHash } from 'node:crypto';

/** 198.18.1.0, the first address after the service addresses. */
const FIRST = (198 << 24) | (18 << 16) | (1 << 8);
/** Up to 198.19.255.255. */
const COUNT = 2 * 65_536 - 256;
/** Only wildcard routes can fill this: a name is some 200 bytes, so 1 MiB at most. */
const MAX_NAMES = 4_096;

/**
 * Gives each name an address of its own, computed from the name, so that a restarted gateway gives the same one. The name that was
 * used longest ago makes room for a new one.
 */
export class SyntheticNames {
  readonly #maxNames: number;
  /** In order of last use */
  readonly #addresses = new Map<string, number>();
  readonly #names = new Map<number, string>();

  constructor(maxNames: number = MAX_NAMES) {
    this.#maxNames = maxNames;
  }

  get size(): number {
    return this.#addresses.size;
  }

  /** The address of a name in dotted form. */
  addressOf(name: string): string {
    const known = this.#addresses.get(name);
    const address = known ?? this.#freeAddress(name);
    this.#touch(name, address);
    return toDotted(address);
  }

  /** The name that an address stands for. */
  nameOf(dotted: string): string | undefined {
    const address = parseDotted(dotted);
    const name = address === undefined ? undefined : this.#names.get(address);
    if (address !== undefined && name !== undefined) this.#touch(name, address);
    return name;
  }

  #freeAddress(name: string): number {
    if (this.#addresses.size >= this.#maxNames) this.#forgetOldest();
    let offset = createHash('sha256').update(name).digest().readUInt32BE(0) % COUNT;
    while (this.#names.has(FIRST + offset)) offset = (offset + 1) % COUNT;
    return FIRST + offset;
  }

  #touch(name: string, address: number): void {
    this.#addresses.delete(name);
    this.#addresses.set(name, address);
    this.#names.set(address, name);
  }

  #forgetOldest(): void {
    const [oldest] = this.#addresses;
    if (oldest === undefined) return;
    this.#addresses.delete(oldest[0]);
    this.#names.delete(oldest[1]);
  }
}

function toDotted(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join('.');
}

function parseDotted(dotted: string): number | undefined {
  const parts = dotted.split('.').map(Number);
  if (parts.length !== 4 || parts.some((part) => !Number.isInteger(part) || part < 0 || part > 255)) return undefined;
  return parts.reduce((address, part) => (address << 8) | part, 0);
}
