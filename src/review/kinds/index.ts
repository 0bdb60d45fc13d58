import type { FileKind } from '../file-kind.ts';
import { BUILD_KINDS } from './build.ts';
import { CI_KINDS } from './ci.ts';
import { GIT_KINDS } from './git.ts';
import { HOST_KINDS } from './host.ts';
import { PACKAGE_KINDS } from './packages.ts';
import { WORKSPACE_KINDS } from './workspace.ts';

/** The whole catalogue; of the kinds that match a path, the first counts. */
export const FILE_KINDS: readonly FileKind[] = [
  ...GIT_KINDS,
  ...CI_KINDS,
  ...WORKSPACE_KINDS,
  ...PACKAGE_KINDS,
  ...BUILD_KINDS,
  ...HOST_KINDS,
];
