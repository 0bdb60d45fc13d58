/** Applies a commit of a task to a directory, for tests that kill it: `GATE SLUG SOURCE TIP`. */
import { applyTask } from '../../src/projects/git/index.ts';

const [gate = '', slug = '', source = '', tip = ''] = process.argv.slice(2);
await applyTask({ gate, slug, source, tip });
