/*
 * Scope: the environment that every git program of the host runs with, and the whole configuration of a bare repository of terok.
 * Out of scope: git in a bottle. Fail-safe direction: nothing is inherited but the search path; a setting that could start a
 * program is overridden from the command scope, which wins over every file.
 */
import { absolutePath } from './process.ts';

export type ObjectFormat = 'sha1' | 'sha256';

/** Setting → value; a list for a setting with several values */
export type GitSettings = Readonly<Record<string, string | readonly string[]>>;

/** The exact content of `config` in a bare repository of terok; anything else in that file was not written by terok. */
export const BARE_REPOSITORY_CONFIG: Readonly<Record<ObjectFormat, string>> = {
  sha1: '[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n',
  sha256: '[core]\n\trepositoryformatversion = 1\n\tfilemode = true\n\tbare = true\n[extensions]\n\tobjectformat = sha256\n',
};

/** Settings that could start a program or reach further than the repository. An empty fsmonitor is off; `false` is a path for old versions. */
const SAFE_SETTINGS: GitSettings = {
  'core.hooksPath': '/dev/null',
  'core.fsmonitor': '',
  'core.untrackedCache': 'false',
  'core.attributesFile': '/dev/null',
  'core.excludesFile': '/dev/null',
  'core.pager': 'cat',
  'core.editor': 'false',
  'core.askPass': 'true',
  'core.sshCommand': 'false',
  'core.gitProxy': 'false',
  'core.alternateRefsCommand': 'true',
  'credential.helper': '',
  'protocol.allow': 'never',
  'protocol.file.allow': 'always',
  'gc.auto': '0',
  'maintenance.auto': 'false',
  'fetch.writeCommitGraph': 'false',
  'fetch.recurseSubmodules': 'false',
  'submodule.recurse': 'false',
  'log.showSignature': 'false',
  'commit.gpgSign': 'false',
  'advice.detachedHead': 'false',
};

/** Variable with the process that started a git, by which `hasLivingGit` finds it */
export const GIT_OWNER = 'TEROK_GIT_OWNER';

/** The whole environment of a git program of the host; `settings` are added to the safe ones and win over them. */
export function hostGitEnvironment(settings: GitSettings = {}, source: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const pairs = Object.entries({ ...SAFE_SETTINGS, ...settings }).flatMap(([key, value]) =>
    (typeof value === 'string' ? [value] : value).map((one) => [key, one] as const),
  );
  return {
    PATH: absolutePath(source['PATH']),
    LC_ALL: 'C',
    [GIT_OWNER]: String(process.pid),
    HOME: '/nonexistent',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_SYSTEM: '/dev/null',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_NO_LAZY_FETCH: '1',
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ASKPASS: 'true',
    GIT_AUTHOR_NAME: 'terok',
    GIT_AUTHOR_EMAIL: 'terok@localhost',
    GIT_COMMITTER_NAME: 'terok',
    GIT_COMMITTER_EMAIL: 'terok@localhost',
    GIT_CONFIG_COUNT: String(pairs.length),
    ...Object.fromEntries(
      pairs.flatMap(([key, value], index) => [
        [`GIT_CONFIG_KEY_${index}`, key],
        [`GIT_CONFIG_VALUE_${index}`, value],
      ]),
    ),
  };
}
