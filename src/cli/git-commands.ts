import type { ArgumentSpec } from './command-spec.ts';
import { json } from './common-specs.ts';

const dir = {
  kind: 'optional',
  completes: 'directory',
  description: 'Directory of the project, the current one by default',
} as const satisfies ArgumentSpec;

/** Commands about the upstream of a project. */
export const GIT_COMMANDS = {
  'git upstream': {
    summary: 'Show or name the repository that the work of a project goes to',
    details: [
      'The upstream is never seen by a bottle. Over SSH terok uses a deploy key of the project (`terok git key` prints it) and takes only the host key that you name; over HTTPS it uses a stored secret, which is in no address, argument or configuration.',
    ],
    arguments: {
      action: { kind: 'required', choices: ['show', 'set'], description: '`show` it, or `set` it to URL' },
      url: { kind: 'optional', description: '`git@host:owner/name.git`, `ssh://…` or `https://…`' },
      dir,
    },
    options: {
      hostKey: { kind: 'list', placeholder: 'KEY', description: 'Host key of an SSH upstream, such as `ssh-ed25519 AAAA…`' },
      agent: { kind: 'flag', description: 'Use your SSH agent in place of the deploy key of the project' },
      secret: { kind: 'value', placeholder: 'NAME', description: 'Stored secret that is the password or token of an HTTPS upstream' },
      user: { kind: 'value', placeholder: 'NAME', description: 'User name that goes with the secret, `git` by default' },
      forge: {
        kind: 'value',
        placeholder: 'KIND',
        choices: ['gitea', 'github', 'gitlab'],
        description: 'Kind of the forge, for pull requests and deploy keys',
      },
      forgeApi: { kind: 'value', placeholder: 'URL', description: 'Address of its API, such as `https://git.example.com/api/v1`' },
      forgeSecret: { kind: 'value', placeholder: 'NAME', description: 'Stored secret with a token for the API' },
      json,
    },
    examples: [['terok git upstream set git@git.example.com:team/shop.git --host-key "ssh-ed25519 AAAA…"', 'over SSH']],
  },
  'git key': { summary: 'Print the deploy key of a project; it is made where there is none', arguments: { dir }, options: { json } },
  'git sync': {
    summary: 'Ask the upstream what is new',
    details: [
      'New branches and new commits on top of known ones are taken. A branch that was rewritten or deleted is listed and stays as it is until you take it with `--take`; the old commit is kept as a backup. Pushes of an `online` project that could not be forwarded are tried again.',
    ],
    arguments: { dir },
    options: { take: { kind: 'list', placeholder: 'BRANCH', description: 'Take the rewritten or deleted branch as well' }, json },
  },
} as const;
