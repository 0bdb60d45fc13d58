import { isTerokError, messageOf, systemCodeOf, TerokError } from '../core/index.ts';

const FULL_DISK = /no space left on device|disk quota exceeded|ENOSPC|EDQUOT|not enough free disk space/i;

export function mentionsFullDisk(text: string): boolean {
  return FULL_DISK.test(text);
}

export function diskFullError(what: string, cause?: unknown): TerokError {
  return new TerokError('DISK_FULL', `There is no space left on the disk for ${what}.`, {
    hint: 'Free some space, for example with `terok image prune`, then run the command again.',
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Runs a part of a build; where the disk was full, whatever reported it, the error says so. */
export async function explainingFullDisk<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isTerokError(error) && error.code === 'DISK_FULL') throw error;
    if (['ENOSPC', 'EDQUOT'].includes(systemCodeOf(error) ?? '') || mentionsFullDisk(messageOf(error))) throw diskFullError(what, error);
    throw error;
  }
}
