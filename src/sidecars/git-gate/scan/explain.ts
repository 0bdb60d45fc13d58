/** What a scan found, in words for the one who pushed: shown on their terminal with `remote:` before each line. */
import type { RuleAction } from '../../../core/gate-rules.ts';
import { renderUntrusted } from '../../../core/render-untrusted.ts';
import type { Finding } from './finding.ts';

/** More is not read */
const SHOWN = 15;

/** How to get rid of a finding; each is shown once. */
const ADVICE: Readonly<Record<Finding['rule'], string>> = {
  vaultValue:
    'Take the value out of every commit that has it (`git rebase -i`, or `git reset --soft` and commit again); a commit on top is not enough. Read it from the environment in its place.',
  canary: 'Take it out of every commit that has it; the person who runs this task is told.',
  secretPatterns:
    'Take it out of every commit that has it (`git commit --amend`, or `git rebase -i`); a commit on top is not enough. If it is no credential, ask the person who runs this task to allow the path.',
  largeFiles: 'Keep it out of the history: add it to .gitignore, or use Git LFS.',
  programs: 'If it is a build product, add it to .gitignore and take it out with `git rm --cached`.',
  submodules: 'Take it out with `git rm --cached PATH`; a nested clone can be added as plain files when its `.git` is removed.',
  embeddedRepositories: 'Take it out with `git rm -r --cached PATH`.',
  names: 'Rename it with `git mv`.',
  links: 'Make it a relative link to a file of the repository, or a copy.',
  lfs: 'Push the objects first: `git lfs push --all origin HEAD`.',
  limits: 'Push in smaller parts.',
};

/** Lines about findings that refuse the push, then about those that hold it. */
export function explain(findings: readonly (Finding & { readonly action: RuleAction; readonly commit?: string })[]): readonly string[] {
  const refused = findings.filter(({ action }) => action === 'refuse');
  const held = findings.filter(({ action }) => action === 'hold');
  if (refused.length > 0)
    return ['terok: nothing of this push was taken.', ...refused.slice(0, SHOWN).map(lineOf), ...more(refused), ...adviceFor(refused)];
  if (held.length > 0)
    return [
      'terok: this push was taken, and waits for a person to look at:',
      ...held.slice(0, SHOWN).map(lineOf),
      ...more(held),
      ...adviceFor(held),
    ];
  return [];
}

function lineOf({ path, line, what, commit }: Finding & { readonly commit?: string }): string {
  const where = path === '' ? '' : `${renderUntrusted(Buffer.from(path, 'latin1'))}${line === undefined ? '' : `:${line}`} `;
  return `terok:   ${where}${renderUntrusted(Buffer.from(what, 'latin1'))}${commit === undefined ? '' : `, since commit ${commit.slice(0, 12)}`}.`;
}

function more(findings: readonly unknown[]): string[] {
  return findings.length > SHOWN ? [`terok:   … and ${findings.length - SHOWN} more.`] : [];
}

function adviceFor(findings: readonly Finding[]): string[] {
  return [...new Set(findings.slice(0, SHOWN).map(({ rule }) => ADVICE[rule]))].map((text) => `terok: ${text}`);
}
