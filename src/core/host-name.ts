/*
 * Scope: the one reading of a host name, shared by the decision, the certificate, the name server and the dialler.
 * Out of scope: resolving. Fail-safe direction: whatever is not plainly one DNS name is refused, nothing is trimmed or repaired.
 */
import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';

/** The loopback of the host as a bottle names it; a route must spell it out. */
export const HOST_LOOPBACK_NAME = 'host.terok.internal';
/** Names that terok gives; no wildcard covers them. */
const OWN_SUFFIX = '.terok.internal';

export type HostNameProblem = 'empty' | 'too-long' | 'ip-literal' | 'upper-case' | 'trailing-dot' | 'bad-character' | 'bad-label';

export type HostNameResult = { readonly ok: true; readonly name: string } | { readonly ok: false; readonly problem: HostNameProblem };

/** RFC 1035: 255 octets on the wire are 253 characters of text. */
const MAX_NAME_LENGTH = 253;
const LABEL = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/;
/** A last label that a URL parser reads as part of an IPv4 address: decimal, octal or hexadecimal. */
const NUMERIC_LABEL = /^(?:\d+|0x[0-9a-f]*)$/;

export const HOST_NAME_RULES: Readonly<Record<HostNameProblem, string>> = {
  empty: 'a host is not empty',
  'too-long': `a host has at most ${MAX_NAME_LENGTH} characters`,
  'ip-literal': 'a host is a name, never an IP address in any notation',
  'upper-case': 'a host is written in lower case',
  'trailing-dot': 'a host has no trailing dot',
  'bad-character': 'a host has letters, digits, hyphens and dots only',
  'bad-label': 'each part of a host has 1 to 63 characters and no hyphen at its ends',
};

/**
 * Reads one DNS name in canonical form (lower case, no trailing dot). An internationalised name becomes its `xn--` form.
 *
 * @example
 * parseHostName('api.example.com'); // { ok: true, name: 'api.example.com' }
 * parseHostName('0x7f.1'); // { ok: false, problem: 'ip-literal' }
 */
export function parseHostName(text: string): HostNameResult {
  if (text === '') return refuse('empty');
  if (text.length > MAX_NAME_LENGTH) return refuse('too-long');
  if (text.startsWith('[') || text.includes(':') || isIP(text) !== 0) return refuse('ip-literal');
  const ascii = toAscii(text);
  if (ascii === undefined) return refuse(/[A-Z]/.test(text) ? 'upper-case' : 'bad-character');
  if (ascii.length > MAX_NAME_LENGTH) return refuse('too-long');
  return checkLabels(ascii);
}

/** As `parseHostName` for a value from the wire, where clients may write upper case: letters are folded, nothing else is. */
export function parseWireHostName(text: string): HostNameResult {
  return parseHostName(text.replace(/[A-Z]/g, (letter) => letter.toLowerCase()));
}

/** ASCII passes unchanged; other text must survive IDNA in exactly the form it was written in. */
function toAscii(text: string): string | undefined {
  if (/^[\x21-\x7e]+$/.test(text)) return /[A-Z]/.test(text) ? undefined : text;
  if (/[\p{C}\p{Z}\x00-\x2c\x2f\x3a-\x60\x7b-\x7f]/u.test(text) || text !== text.normalize('NFKC') || text !== text.toLowerCase())
    return undefined;
  const ascii = domainToASCII(text);
  return ascii === '' || ascii.split('.').length !== text.split('.').length ? undefined : ascii;
}

function checkLabels(name: string): HostNameResult {
  if (name.endsWith('.')) return refuse('trailing-dot');
  const labels = name.split('.');
  if (NUMERIC_LABEL.test(labels.at(-1) ?? '')) return refuse('ip-literal');
  for (const label of labels) {
    if (LABEL.test(label)) continue;
    return refuse(/[^a-z0-9._-]/.test(label) ? 'bad-character' : 'bad-label');
  }
  return name.includes('xn--') && domainToASCII(name) !== name ? refuse('bad-label') : { ok: true, name };
}

function refuse(problem: HostNameProblem): HostNameResult {
  return { ok: false, problem };
}

/**
 * Does a route's host pattern cover a canonical name? `*.example.com` covers names below `example.com` at any depth, not
 * `example.com` itself.
 * Names of terok's own are covered by their exact form alone.
 */
export function hostPatternCovers(pattern: string, name: string): boolean {
  if (!pattern.startsWith('*.')) return pattern === name;
  return name.length > pattern.length - 1 && name.endsWith(pattern.slice(1)) && !name.endsWith(OWN_SUFFIX);
}
