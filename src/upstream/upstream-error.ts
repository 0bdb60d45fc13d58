import { isTerokError, renderUntrusted, TerokError } from '../core/index.ts';

/** What git, ssh and curl say (in the C locale) → what it means and what to do. The first that fits. */
const MEANINGS: readonly (readonly [RegExp, string, string])[] = [
  [
    /REMOTE HOST IDENTIFICATION HAS CHANGED|Host key verification failed|No .* host key is known/,
    'shows another host key than the pinned one: it was renewed, or somebody stands between',
    'Ask its owner for the new key over another way, then `terok git upstream set URL --host-key KEY`.',
  ],
  [
    /Permission denied \(|no mutual signature/,
    'does not know the deploy key of this project',
    'Give it the key that `terok git key` prints.',
  ],
  [
    /Authentication failed|could not read (?:Username|Password)|HTTP 401|returned error: 40[13]|invalid credentials/i,
    'does not take the credential: it was revoked, has ended or may not do this',
    'Store a new one with `terok secret set NAME`, and name it with `terok git upstream set URL --secret NAME`.',
  ],
  [
    /certificate verif|certificate problem/i,
    'shows a certificate that this machine does not trust',
    'Where it is of the CA of your company, name that in `egress.upstreamCa` of the configuration.',
  ],
  [
    /\b407\b|rejected by the SOCKS5 server/,
    'is behind a proxy that does not take its login',
    'Store `user:password` under the name in `egress.upstreamProxy.secret` of the configuration.',
  ],
  [
    /Repository not found|does not appear to be a git repository|returned error: 404|not found/i,
    'has no such repository, or does not show it',
    'Check the address with `terok git upstream show`.',
  ],
  [
    /Could not resolve host|Couldn't connect|Failed to connect|Connection (?:refused|timed out|reset|closed)|Network is unreachable|No route to host|ran out of time|Operation too slow/i,
    'cannot be reached',
    'Nothing is lost: the work waits in the gate. Try again when the network is back.',
  ],
  [/\[rejected\]|stale info|fetch first|non-fast-forward/, 'has other commits by now', 'Run `terok git sync`.'],
  [
    /\[remote rejected\]|pre-receive hook declined|protected branch/,
    'refuses the push by a rule of its own',
    'Look at its rules for branches.',
  ],
];

/** The same failure without a credential that the upstream repeated: what git says ends up on terminals, in logs and with the agent. */
export function withhold(error: unknown, withheld: readonly string[]): unknown {
  if (!isTerokError(error) || error.code !== 'GIT_FAILED') return error;
  const without = (text: string): string => withheld.reduce((left, form) => left.replaceAll(form, '[secret]'), text);
  const { command, stderr } = error.context;
  return new TerokError('GIT_FAILED', without(error.message), { context: { command, stderr: without(textOf(stderr)) } });
}

/** The failure of a git that talked to the upstream, in words for a person. */
export function explainUpstreamError(error: unknown, host: string): unknown {
  if (!isTerokError(error) || error.code !== 'GIT_FAILED') return error;
  const found = MEANINGS.find(([pattern]) => pattern.test(error.message));
  if (found === undefined) return error;
  const said = renderUntrusted(textOf(error.context['stderr']).split('\n').slice(-3).join(' '));
  return new TerokError('GIT_FAILED', `The upstream \`${host}\` ${found[1]}.`, { hint: found[2], context: { said }, cause: error });
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
