import type { PublishedPort } from '../core/bottle.ts';
import { TerokError } from '../core/errors.ts';
import { parsePublishedPort } from '../core/published-port.ts';

const MIB_PER_UNIT: Readonly<Record<string, number>> = { M: 1, G: 1024, T: 1024 * 1024 };
const MS_PER_UNIT: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000 };

/** `512M`, `4G`, `1.5GiB` → `MiB`; throws USAGE. */
export function parseSize(text: string, option: string): number {
  const match = /^(\d+(?:\.\d+)?)([MGT])(?:i?B)?$/i.exec(text);
  const mib = match === null ? 0 : Math.floor(Number(match[1]) * (MIB_PER_UNIT[match[2]?.toUpperCase() ?? ''] ?? 0));
  if (mib >= 64) return mib;
  throw new TerokError('USAGE', `\`${option}\` takes a size of at least 64M with its unit, such as \`512M\` or \`4G\`; got \`${text}\`.`);
}

/** `90s`, `30m`, `2h` → `ms`; throws USAGE. */
export function parseDuration(text: string, option = '--timeout'): number {
  const match = /^(\d+)([smh])$/.exec(text);
  const ms = match === null ? 0 : Number(match[1]) * (MS_PER_UNIT[match[2] ?? ''] ?? 0);
  // Timers of Node hold 31 bits.
  if (ms > 0 && ms < 2 ** 31) return ms;
  throw new TerokError(
    'USAGE',
    `\`${option}\` takes a time with its unit, at most 596h, such as \`90s\`, \`30m\` or \`2h\`; got \`${text}\`.`,
  );
}

/** `3000`, or `8080:3000` for port 3000 of the bottle on port 8080 here; throws USAGE. */
export function parsePublish(text: string): PublishedPort {
  const published = parsePublishedPort(text);
  if (published !== undefined) return published;
  throw new TerokError('USAGE', `\`--publish\` takes a port from 1 to 65535, or HOSTPORT:PORT such as \`8080:3000\`; got \`${text}\`.`);
}

/** A positive number, whole where `whole`; throws USAGE. */
export function parseCount(option: string, text: string, whole: boolean): number {
  const value = Number(text);
  if (/^\d+(?:\.\d+)?$/.test(text) && value > 0 && (!whole || Number.isInteger(value))) return value;
  throw new TerokError('USAGE', `\`${option}\` takes a positive ${whole ? 'whole ' : ''}number; got \`${text}\`.`);
}

/** `3.4 MiB` */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${power === 0 ? value : value.toFixed(1)} ${units[power]}`;
}

/** `4 min ago`; the text itself where it is no time. */
export function formatAge(iso: string, now: number = Date.now()): string {
  const seconds = (now - Date.parse(iso)) / 1000;
  if (!Number.isFinite(seconds)) return iso;
  if (seconds < 60) return 'now';
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} days ago`;
}
