import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { ignoreCodes, TerokError, writePrivateFile } from '../../../core/index.ts';
import { bottleSeccompProfile, type SeccompProfile } from './profile.ts';

/** Puts the profile into a file below `dir` whose name is its content, and returns both. */
export async function writeSeccompProfile(dir: string): Promise<{ readonly file: string; readonly profile: SeccompProfile }> {
  const profile = bottleSeccompProfile();
  if (profile === undefined)
    throw new TerokError('BACKEND_UNAVAILABLE', `There is no seccomp profile for the architecture \`${process.arch}\`.`, {
      hint: 'Run terok on x86-64 or 64-bit ARM.',
    });
  const text = JSON.stringify(profile);
  const file = path.join(dir, `seccomp-${createHash('sha256').update(text).digest('hex').slice(0, 16)}.json`);
  const present = await ignoreCodes(['ENOENT'], () => stat(file));
  if (present?.size !== Buffer.byteLength(text)) await writePrivateFile(file, text);
  return { file, profile };
}
