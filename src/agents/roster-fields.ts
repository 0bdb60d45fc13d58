import { z } from 'zod';

/** What several parts of a roster entry are made of. */

export const environmentName = z.string().regex(/^[A-Z_][A-Z0-9_]*$/, 'expected the name of an environment variable, such as `API_KEY`');
export const text = z
  .string()
  .max(65_536)
  .refine((value) => !value.includes('\0'), 'expected text without a NUL character');
/** Relative, inside a known directory, never upwards */
export const relativePath = z
  .string()
  .min(1)
  .max(512)
  .refine(
    (path) => !path.startsWith('/') && !path.split('/').some((part) => part === '..' || part === '.' || part === ''),
    'expected a relative path without `.` and `..`',
  );

export const plannedFile = z
  .strictObject({
    path: relativePath.describe('Path below the home directory'),
    text: text.optional().describe('Content'),
    json: z.unknown().optional().describe('Content, written as JSON; `{ "{jwt}": … }` stands for an unsigned token with these claims'),
    mode: z.enum(['0600', '0644', '0700', '0755']).default('0600').describe('Permissions'),
  })
  .refine((value) => (value.text === undefined) !== (value.json === undefined), 'expected exactly one of `text` and `json`');
