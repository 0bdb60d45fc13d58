import { randomBytes } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import type { z } from 'zod';
import { ignoreCodes, messageOf, systemCodeOf, TerokError } from './errors.ts';
import { makePrivateDir } from './paths.ts';

/** Reads a JSON file of terok's own state; undefined where it does not exist; a file that breaks the schema is an error, never a default. */
export async function readStateFile<T>(file: string, schema: z.ZodType<T>): Promise<T | undefined> {
  const text = await ignoreCodes(['ENOENT'], () => readFile(file, 'utf8'));
  if (text === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    throw new TerokError('STATE_CORRUPT', `\`${file}\` does not hold what terok wrote there: ${messageOf(error)}`, {
      context: { file },
      hint: 'Move the file away and run `terok doctor`.',
      cause: error,
    });
  }
}

/** Replaces a file of terok's own state in one step (temporary file, fsync, rename), readable by its owner only. */
export async function writeStateFile(file: string, value: unknown): Promise<void> {
  await writePrivateFile(file, `${JSON.stringify(value, null, 2)}\n`);
}

/** As `writeStateFile`, for any content. */
export async function writePrivateFile(file: string, content: string | Buffer): Promise<void> {
  await makePrivateDir(path.dirname(file));
  try {
    await replaceFile(file, content);
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOSPC' && systemCodeOf(error) !== 'EDQUOT') throw error;
    throw new TerokError('DISK_FULL', `No space left to write \`${file}\`.`, {
      hint: 'Free some space, then run the command again.',
      cause: error,
    });
  }
}

/** A file that could not be written whole, because the disk is full, never gets the name. */
async function replaceFile(file: string, content: string | Buffer): Promise<void> {
  const staged = `${file}.${process.pid}-${randomBytes(4).toString('hex')}`;
  try {
    const handle = await open(staged, 'wx', 0o600);
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(staged, file);
  } catch (error) {
    await rm(staged, { force: true });
    throw error;
  }
}
