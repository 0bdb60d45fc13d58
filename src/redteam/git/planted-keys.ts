/** Settings of git that name a program, each with a plain git command that runs it. */

export interface PlantedKey {
  readonly key: string;
  /** The value, with the program that leaves a mark */
  readonly value: (program: string) => string;
  /** What a person types; a list for the shell means that a terminal is needed */
  readonly control: readonly string[];
  /** Settings that the command needs beside the key */
  readonly with?: Readonly<Record<string, string>>;
  readonly input?: string;
}

const plain = (program: string): string => program;
const ASK = 'protocol=https\nhost=nowhere.test\n\n';

export const PLANTED_KEYS: readonly PlantedKey[] = [
  { key: 'core.fsmonitor', value: plain, control: ['status'] },
  { key: 'core.sshCommand', value: plain, control: ['ls-remote', 'ssh://nowhere.test/x'] },
  { key: 'core.gitProxy', value: plain, control: ['ls-remote', 'git://nowhere.test/x'] },
  { key: 'core.editor', value: plain, control: ['commit', '--amend'] },
  { key: 'core.askPass', value: plain, control: ['credential', 'fill'], input: ASK },
  { key: 'core.alternateRefsCommand', value: plain, control: ['fetch', 'side'] },
  { key: 'credential.helper', value: (program) => `!${program}`, control: ['credential', 'fill'], input: ASK },
  { key: 'credential.https://nowhere.test.helper', value: (program) => `!${program}`, control: ['credential', 'fill'], input: ASK },
  { key: 'gpg.program', value: plain, control: ['commit', '-S', '--allow-empty', '-m', 'x'] },
  {
    key: 'gpg.ssh.program',
    value: plain,
    control: ['commit', '-S', '--allow-empty', '-m', 'x'],
    with: { 'gpg.format': 'ssh', 'user.signingKey': '/dev/null' },
  },
  { key: 'gpg.x509.program', value: plain, control: ['commit', '-S', '--allow-empty', '-m', 'x'], with: { 'gpg.format': 'x509' } },
  { key: 'diff.external', value: plain, control: ['diff', 'HEAD'] },
  { key: 'diff.evil.command', value: plain, control: ['diff', 'HEAD'] },
  { key: 'diff.evil.textconv', value: plain, control: ['diff', 'HEAD'] },
  { key: 'difftool.evil.cmd', value: plain, control: ['difftool', '-y', '-t', 'evil', 'HEAD'] },
  {
    key: 'interactive.diffFilter',
    value: plain,
    control: ['add', '-p'],
    input: 'q\n',
    with: { 'color.interactive': 'always', 'color.diff': 'always' },
  },
  { key: 'filter.evil.clean', value: plain, control: ['add', '--all'] },
  { key: 'filter.evil.smudge', value: plain, control: ['checkout', '-f', 'side', '--', 'a.txt'] },
  { key: 'filter.evil.process', value: plain, control: ['add', '--all'] },
  { key: 'merge.evil.driver', value: plain, control: ['merge', '-m', 'x', 'other'] },
  { key: 'sequence.editor', value: plain, control: ['rebase', '-i', '--root', '--autostash'] },
  { key: 'tar.evil.command', value: plain, control: ['archive', '--format=evil', 'HEAD'] },
  { key: 'trailer.evil.command', value: plain, control: ['interpret-trailers', '--trailer', 'evil=x'], input: 'x\n' },
  { key: 'uploadpack.packObjectsHook', value: plain, control: ['clone', '--quiet', '--no-local', '.', 'clone-control'] },
  { key: 'remote.side.uploadpack', value: plain, control: ['fetch', 'side'] },
  { key: 'remote.side.receivepack', value: plain, control: ['push', 'side', 'HEAD:refs/heads/x'] },
  { key: 'alias.evil', value: (program) => `!${program}`, control: ['evil'] },
  { key: 'gc.recentObjectsHook', value: plain, control: ['prune', '--expire=now'] },
  { key: 'hook.evil.command', value: plain, control: ['commit', '--allow-empty', '-m', 'x'], with: { 'hook.evil.event': 'pre-commit' } },
];

/** Names that git looks for in the directory of hooks. */
export const HOOK_NAMES: readonly string[] = [
  'applypatch-msg',
  'commit-msg',
  'fsmonitor-watchman',
  'post-applypatch',
  'post-checkout',
  'post-commit',
  'post-index-change',
  'post-merge',
  'post-receive',
  'post-rewrite',
  'post-update',
  'pre-applypatch',
  'pre-auto-gc',
  'pre-commit',
  'pre-merge-commit',
  'pre-push',
  'pre-rebase',
  'pre-receive',
  'prepare-commit-msg',
  'proc-receive',
  'push-to-checkout',
  'reference-transaction',
  'sendemail-validate',
  'update',
];
