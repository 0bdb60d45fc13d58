export interface HostProgram {
  readonly program: string;
  readonly package: string;
  readonly why: string;
}

export interface Missing {
  /** Why `npm ci` is needed */
  readonly npm: string | undefined;
  readonly node: boolean;
  readonly programs: readonly HostProgram[];
}

export const ROOT: string;
export const PROGRAMS: readonly HostProgram[];
export const TEST_PROGRAMS: readonly HostProgram[];
export class SetupError extends Error {}
export function findMissing(options?: { root?: string; env?: NodeJS.ProcessEnv; forTests?: boolean }): Missing;
export function nodePath(root?: string): string | undefined;
export function setUp(options?: { forTests?: boolean; yes?: boolean; env?: NodeJS.ProcessEnv }): Promise<void>;
export function reportFailure(error: unknown): never;
