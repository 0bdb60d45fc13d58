import { type KindRow, toKinds } from '../file-kind.ts';

// biome-ignore format: a table, one kind a line
const ROWS: readonly KindRow[] = [
  ['git-directory', 'git', /(^|\/)(\.git|git~\d+)(\/|$)/i, 'git', 'holds configuration and hooks that git runs', '.git/config', 'vendor/lib/.git/hooks/post-checkout'],
  ['bare-repository', 'git', /(^|\/)[^/]+\.git\/(config|HEAD|hooks\/)/i, 'git', 'is a repository inside the repository, whose configuration git reads when it is entered', 'fixtures/remote.git/config'],
  ['git-submodules', 'git', /(^|\/)\.gitmodules$/i, 'git', 'names addresses that git clones from', '.gitmodules'],
  ['git-attributes', 'git', /(^|\/)\.gitattributes$/i, 'git', 'names filters, diff and merge drivers that git runs', '.gitattributes'],
  ['git-configuration', 'git', /(^|\/)\.?gitconfig$|(^|\/)\.lfsconfig$|(^|\/)\.config\/git\//i, 'git', 'is configuration of git: aliases, helpers, addresses', '.gitconfig', '.lfsconfig'],
  ['git-hooks', 'git', /(^|\/)\.?(git-?hooks|husky)\//i, 'git', 'is a hook that runs on commit, checkout or push', '.husky/pre-commit', '.githooks/post-merge'],
  ['hook-manager', 'git', /(^|\/)(\.pre-commit-(config|hooks)\.ya?ml|\.?lefthook(-local)?\.(ya?ml|toml|json)|\.huskyrc[^/]*|\.lintstagedrc[^/]*|lint-staged\.config\.[cm]?[jt]s|\.overcommit\.yml)$/i, 'a manager of git hooks', 'says what runs on commit and push', '.pre-commit-config.yaml', 'lefthook.yml', '.lintstagedrc.json'],
  ['other-vcs', 'git', /(^|\/)\.(hg|svn|bzr|jj|sl)\/|(^|\/)\.(hgrc|hgsub)$|(^|\/)\.sapling\//i, 'another version control system', 'holds its configuration and hooks', '.hg/hgrc', '.hgrc'],
];

/** What git and its kin run. */
export const GIT_KINDS = toKinds(ROWS);
